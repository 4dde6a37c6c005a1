// Package work is what all plugins of the benchmark do. The benchmark puts this source into them, with other versions of it.
package work

import "strings"

// version is no string: those of images with the same symbols are one.
var version = []byte("version 0000000")

// Version returns the version of the code.
func Version() (n int) {
	for _, digit := range version[len("version "):] {
		n = n*10 + int(digit-'0')
	}
	return n
}

// Next does next to nothing.
func Next(n int) int { return n + 1 }

// Count returns how many different words a text has.
func Count(text string) int {
	seen := map[string]int{}
	for _, word := range strings.Fields(text) {
		seen[strings.ToLower(strings.Trim(word, ".,;:"))]++
	}
	return len(seen)
}
