package pulled

import _ "unsafe"

func hidden() string { return "hidden" }

//go:linkname marked
func marked() string { return "marked" }

var level = 7

// Pushed is made by another package.
func Pushed() string
