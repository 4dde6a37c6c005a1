// Package instance is the border to plugin code: everything in this program that calls into a plugin, or that runs
// because an image is opened, is here.
//
// Beyond the border is native code with all the rights of the process. Nothing within one process stops code that means
// harm: it can write to any memory, exit, or start threads that Go doesn't know about. The border does stop ordinary
// mistakes:
//
//   - A panic in New, Start, Stop, Export, Import, Adopt or Close becomes a *PanicError, and so does one in a method
//     that runs because the host copies or encodes the plugin's values. Panics in handlers are left to the caller. A
//     panic in a goroutine that the plugin has started ends the process.
//   - A call that doesn't return in time is left behind in its goroutine and becomes an error. It is counted among the
//     leftovers (Measure), and the host goes on.
//   - Goexit in a call becomes an error.
//   - An init function or C code that ends its process ends a child process first (Probe), which reaches nothing outside
//     it (package wall).
//   - A setting of the whole process that changes while an image is loaded is noticed, and set back after a refusal where
//     that is possible (Settings).
//   - An image that can't fit the process is refused before any of its code runs (Check).
//
// The order of calls is this. Probe runs an image's init functions in a child. Open runs them in this process, once per
// image, and nothing can undo that. New makes an Instance and must not start anything yet. Start begins its background
// work and Stop ends it. Export, Import and Adopt run only between Stop and Start, or beside calls if the plugin
// declares ConcurrentExport. Close is the last call. Except for the handlers, one goroutine at a time makes these
// calls; but after one was given up, the next may run beside it.
//
// The package decides nothing about releases, slots or the store, and keeps no list of instances.
package instance
