// Package goobj reads the object files of the Go compiler and assembler: which symbols they define, and which they refer to.
//
// It reads the format that begins with "\x00go120ld", which Go 1.20 introduced, and no other. It doesn't read code, or lines, or
// debugging information.
package goobj
