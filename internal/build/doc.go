// Package build makes isolated images: plugins in which every package that host and plugin don't share has a path of its
// own, told by its content. Such an image can be loaded beside any other, whatever versions of whatever packages they hold.
//
// What it can't do: build for another Go release than the host's, or for a host that has another version of package abi.
// Both are found and refused, the first before anything is compiled.
//
// The data's way:
//
//	host binary ── readHost ──▶ host       toolchain, flags and how abi was recorded     (host.go)
//	go env, go list ──────────▶ listing    every package of the plugin                   (goenv.go, list.go)
//	                  makePlan ▶ plan      shared, private or fresh, for each package    (plan.go, tree.go, linkname.go, bare.go)
//	go build -toolexec "sohost toolexec" -gcflags=<package>=<mark> …                     (gcflags.go, mark.go)
//	   └─ compile, asm, link ─▶ Toolexec   gives private packages their own paths        (toolexec.go and the tools' files)
//	the image ── check ───────▶ Output     read again, and put in place by a rename      (check.go, place.go)
//
// # Identity
//
// The go command knows each package by an action id, a hash of everything that goes into compiling it: sources, flags,
// toolchain and, through their content, its dependencies. A private package with import path P is compiled as P_g<id>, and
// whoever imports it is told so. Hence two builds have a package in common if they agree on all that went into it, and
// otherwise have nothing to do with each other.
//
// The marks that decide which package is renamed travel as compiler flags of just that package. They are therefore part of
// its action id, so the go command's build cache keeps such packages apart from those of ordinary builds, while
// the standard library's are the same ones and never compiled twice.
package build
