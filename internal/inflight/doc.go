// Package inflight keeps which images a process runs calls in, where it can be read when the process is dead.
//
// A Table lies in a memory file that two processes have open. The one that serves maps it, and its generations count their
// leases there (generations.CountersIn), so a call costs no more than without a table. The host also notes there when it is
// itself about to call a plugin's code: its init, New, Start and so on. The other process reads the file: Read.
//
// Goroutines that a plugin has started are no calls. Of these a table only has whether the plugin is one with work in the
// background.
package inflight
