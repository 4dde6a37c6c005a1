// Package cpu has symbols that the assembly of another package refers to.
package cpu

// Level is read as a variable, with an offset and by a macro of an included file.
var Level = [2]int64{3, 4}

// Add is called. It is written in assembly, too.
func Add()
