// Package asm has a dot in its last path element, which the toolchain escapes in symbols.
package asm

// Answer is written in assembly, which calls back.
func Answer() int

//go:nosplit
func one() int { return 1 }
