package lib

var n int

func Count() int { n++; return n }
