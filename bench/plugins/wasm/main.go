//go:build wasip1

// Wasm is a plugin that is compiled to WebAssembly. Texts pass through a buffer in its memory.
package main

import (
	"unsafe"

	"github.com/sohost/sohost/bench/work"
)

var buffer [64 << 10]byte

//go:wasmexport buffer
func bufferAt() uint32 { return uint32(uintptr(unsafe.Pointer(&buffer[0]))) }

//go:wasmexport next
func next(n int64) int64 { return int64(work.Next(int(n))) }

//go:wasmexport count
func count(length uint32) int64 { return int64(work.Count(string(buffer[:length]))) }

//go:wasmexport version
func version32() int64 { return int64(work.Version()) }

func main() {}
