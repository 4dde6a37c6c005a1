// Package slim makes the Go linker leave out of a plugin what its host has: the packages whose functions, variables and types the
// host program exports. Nothing of a package comes from the host if the host lacks anything of it that the plugin needs.
//
// It can't take packages from a host that is position-independent, or was stripped of what the runtime needs to add modules.
//
// The linker knows a mode for programs that use Go packages in shared libraries (-linkshared). In it, packages are compiled to refer
// to each other by name. A slim image is linked in that mode, against the host as if it were such a library:
//
//	objects of all packages ─┐
//	host program ── ReadHost ┴▶ Closure   which packages come along, and what is needed of the host   (closure.go, library.go)
//	                              ├────▶ Stub        the part of the host that the linker asks for    (stub.go)
//	                              └────▶ Start       a function that the linker wants in each plugin  (start.go)
//	link -linkshared ▶ go.o ── Rename, Marker ▶ the C linker, which leaves the stub out                (relocatable.go, marker.go)
//	the image ── SetHashes ▶ ── DropSymbols ▶ the slim image                                           (hashes.go, drop.go)
//
// docs/facts.md says what of this the next Go release may change.
package slim
