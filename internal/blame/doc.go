// Package blame finds out which image ended a process, and decides what is booted instead. It can't know: a process that is killed,
// or that exits on its own, says nothing, and then the one that came last is taken for the likeliest. So a finding carries its
// evidence in words, what has proved itself gets a second chance, and what nobody can be blamed for leads to no quarantine.
//
// A Record holds the facts, and its methods decide, without touching anything: find.go says who it was, decide.go what follows from
// that, fallback.go what a plugin goes back to. A Judge reads the facts from a store and acts on the decisions. Trials notes on disk
// which images are being tried, for the process that comes after.
package blame
