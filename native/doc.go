// Package native judges, opens and accounts for one plugin image at a time. What it opens stays for the life of the process.
//
// The Go runtime can neither unload an image nor forget that it tried to load one, and several mistakes end the process
// without a chance to recover: an image cut short (SIGBUS), a C library ("no plugin module data"), a package whose init
// panicked once and is needed again ("linker skew"). So the package works in three steps that don't mix:
//
//   - Inspect reads facts from a file and runs nothing
//   - Check compares the facts with those of a host process and returns every reason against opening, each with its remedy
//   - Open acts, once per file and process, ever
//
// It knows nothing of a plugin's contract beyond the name of a symbol and the paths of the packages that are to be shared.
//
// # Caveats
//
// Check can't see what an image does in its init functions: os.Exit there, or a crash in C code, ends the process. Try an image
// elsewhere first. An image must not be changed while it is open: give each version a path of its own.
package native
