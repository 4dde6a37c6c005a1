// Package instance is the wall around plugin code: everything in this program that calls into a plugin, or that runs because
// an image is opened, is here.
//
// Behind the wall is native code with all the rights of the process. No wall in one process holds what means harm: it can write
// to any memory, exit, or start threads that Go doesn't know of. What the wall does hold is what goes wrong by mistake:
//
//   - A panic in New, Start, Stop, Export, Import, Adopt or Close becomes a *PanicError. So does one in a method that runs
//     because the host copies or encodes the plugin's values. Panics in handlers are the caller's to catch, and those in goroutines
//     that the plugin starts end the process.
//   - A call that doesn't return in its time is left behind in its goroutine, counted (Abandoned), and an error. The host goes on.
//   - Goexit in a call is an error.
//   - What ends a process, in an init function or in C code, ends a child process first (Probe).
//   - An image whose facts speak against it is refused before any of its code runs (Check).
//
// What may run when: Probe runs the init functions of an image, in a child. Open runs them in this process, once for each
// image, and nothing can undo that. New makes an Instance and may start nothing yet; Start begins its background work, and Stop ends
// it. Export, Import and Adopt run only between Stop and Start, or beside calls if the plugin declares ConcurrentExport. Close is
// the last call. All but the handlers are called by one goroutine at a time, except that after one was given up the next may
// run beside it.
//
// The package decides nothing about releases, slots or the store, and keeps no list of instances.
package instance
