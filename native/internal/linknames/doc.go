// Package linknames keeps the functions of the Go runtime that code outside of it refers to by //go:linkname: what cgo writes, libraries
// that the Go project has promised not to break, and packages of the standard library that an image can bring along. The linker leaves out
// of a program those that it doesn't use itself, and a slim image has no other runtime than that program's.
//
// There is a file for each release, since a reference to what a release doesn't have is an error of the linker's. With a release that
// has no file nothing is kept; sohost build makes full images for it anyway.
package linknames

// hold keeps what it gets from being left out: the compiler can't know that nothing is done with it.
//
//go:noinline
func hold(any) {}

//go:generate go run github.com/sohost/sohost/scripts/keep -linknames .
