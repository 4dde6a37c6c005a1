// Package blame determines which image ended a process, and what is booted instead. It can't know for sure: a process
// that is killed, or that exits on its own, says nothing, and then the image that came last is considered the
// likeliest. Therefore a finding carries its evidence in words, an image that has proved itself gets a second chance,
// and a crash that no image can be blamed for leads to no quarantine.
//
// A Record holds the facts, and its methods decide without touching anything: find.go which image it was, decide.go
// what follows from that, fallback.go what a plugin goes back to. A Judge reads the facts from a store and acts on the
// decisions. Trials records on disk which images are being tried, for the process that comes after.
package blame
