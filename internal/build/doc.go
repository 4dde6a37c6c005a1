// Package build makes isolated images: plugins in which every package that host and plugin don't share has a
// content-addressed import path. Such an image can be loaded beside any other, whatever packages and versions they hold.
//
// It can't build for a Go release other than the host's, or for a host with another version of package abi or of a contract. It
// refuses all of these, and before anything is compiled where modules tell.
//
// One build, step by step:
//
//	host binary ── readHost ──▶ host       toolchain, flags, and which packages it shares (host.go, contracts.go)
//	go env, go list ──────────▶ listing    every package of the plugin                   (survey.go, goenv.go, list.go, or memo.go)
//	                  makePlan ▶ plan      where each package comes from                 (origin.go, plan.go, key.go, linkname.go, bare.go)
//	go build -toolexec "sh toolexec.sh" -gcflags=<package>=<mark> …                      (calls.go, gcflags.go, mark.go)
//	   └─ compile, asm, link ─▶ wrapper    gives private packages their own paths        (wrapper.go, compile.go, asm.go, link.go)
//	              link ─▶ package slim     leaves out what the host has                  (slim.go, slim_link.go)
//	the image ── finish, check ▶ Output    sealed, read again, and renamed into place    (finish.go, check.go, place.go)
//
// An image in Output that is up to date is found so by the go command and not linked again (reuse.go). Messages about the sources get
// back the paths that the sources know (rename.go, diagnostics.go).
//
// # Identity
//
// The go command identifies each package by an action id, a hash of everything that goes into compiling it: sources, flags,
// toolchain and, through their content, its dependencies. A private package with import path P is compiled as P_g<id>, and
// the packages that import it are compiled to match. So two builds share a package if everything that went into it is the
// same; otherwise their packages are unrelated.
//
// The marks that decide which package is renamed are compiler flags of just that package. They are therefore part of its
// action id, so the go command's build cache keeps such packages apart from those of ordinary builds. Those of the standard library
// are kept apart by the flags that make packages refer to each other by name. Full images are compiled with these, too, where slim ones
// are possible.
//
// # Slim images
//
// What the host has isn't in the image. Package slim decides what that is, when the linker is asked for (slim_link.go,
// slim_args.go). There is a full image in place of a slim one where the host doesn't allow that, where the options don't, or where
// the linker fails (slim.go). Afterwards the image gets the hashes that its packages have in ordinary builds (hashes.go, finish.go).
package build
