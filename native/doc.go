// Package native inspects, checks and opens plugin images, and accounts for their memory. What it opens stays for the life of
// the process.
//
// The Go runtime can neither unload an image nor forget that it tried to load one, and several mistakes end the process
// without a chance to recover: a truncated image (SIGBUS), a C library ("no plugin module data"), a package whose init
// panicked once and is needed again ("linker skew"). So the package works in three separate steps:
//
//   - Inspect reads facts from a file and runs nothing
//   - Check compares the facts with those of a host process and returns every reason against opening, each with a remedy
//   - Open acts, only once per file and process
//
// It knows nothing about a plugin's contract beyond the name of a symbol and the paths of the packages that must be shared.
//
// # Caveats
//
// Inspect looks at everything that the dynamic loader believes, and at all bytes of a sealed image. In the code and data of an
// image without a seal it can't see damage. Check can't see what an image does in its init functions: os.Exit there, or a crash in
// C code, ends the process. Try an image in another process first. An image must not be changed while it is open: give each version
// its own path.
package native
