// Package blame determines which image ended a process, and what is booted instead. A stack that names an image is certain.
// A process that is killed, or that exits on its own, says nothing; but its table of calls shows whose code was running, and
// only rarely did anybody else do it. So a finding carries its evidence in words and how much that is worth (Strength), an
// image that has proved itself gets a second chance, weak evidence leads to nothing until it repeats, and an image that
// wasn't certainly to blame is tried again after a while.
//
// The host's own code is never an image's fault: if the crashed goroutine ran no image's code, no image is blamed.
//
// A Record holds the facts, and its methods decide without touching anything: find.go and narrow.go which image it was,
// decide.go what follows from that, fallback.go what a plugin goes back to. A Judge reads the facts from a store and acts on
// the decisions. Trials records on disk which images are being tried, for the process that comes after.
package blame
