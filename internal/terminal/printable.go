package terminal

import (
	"strings"
	"unicode"
)

// Printable returns a text of others' with all replaced that could give orders to a terminal. Tabs and ends of lines stay.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\n' || r == '\t' {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}
