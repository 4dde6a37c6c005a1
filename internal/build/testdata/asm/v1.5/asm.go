// Package asm has a dot in its last path element, which the toolchain escapes in symbols.
package asm

import _ "asmplugin/cpu" // for the assembly

// Answer is written in assembly, which calls back.
func Answer() int

// Level is written in assembly that uses another package.
func Level() int

//go:nosplit
func one() int { return 1 }
