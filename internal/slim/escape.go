package slim

import (
	"fmt"
	"strings"
)

// Escape escapes an import path as the toolchain does in symbol names: dots in the last element, control characters,
// spaces, percent signs, quotes and everything beyond ASCII become %xx (cmd/internal/objabi.PathToPrefix).
func Escape(p string) string {
	slash := strings.LastIndexByte(p, '/')
	var b strings.Builder
	for i := range len(p) {
		c := p[i]
		if c <= ' ' || c == '.' && i > slash || c == '%' || c == '"' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02x", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
