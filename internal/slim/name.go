package slim

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// The linker shortens the names of types, and of instances of generic functions whose names have an @, before it writes them into a
// file (cmd/link, typeSymbolMangle).

// mangled returns the name that a symbol has in a linked file.
func mangled(name string) string {
	isType := strings.HasPrefix(name, typePrefix)
	switch {
	case !isType && !strings.Contains(name, "@"), strings.HasPrefix(name, "type:runtime."), strings.HasPrefix(name, "go:string."),
		len(name) <= 14 && !strings.Contains(name, "@"):
		return name
	case isType:
		prefix := typePrefix
		if len(name) > len(typePrefix) && name[len(typePrefix)] == '.' {
			prefix += "."
		}
		return prefix + digest(name[len(typePrefix):])
	}
	from, to := strings.IndexByte(name, '['), strings.LastIndexByte(name, ']')
	if to == -1 || to <= from {
		to = len(name)
	}
	return name[:from+1] + digest(name[from+1:to]) + name[to:]
}

func digest(name string) string {
	sum := sha256.Sum256([]byte(name))
	sum[0] ^= 0xff // as cmd/internal/hash does
	return base64.StdEncoding.EncodeToString(sum[:6])
}

const typePrefix = "type:"

// isDescriptor reports whether a symbol is a type descriptor, and not something else that belongs to a type.
func isDescriptor(name string) bool {
	return strings.HasPrefix(name, typePrefix) && !strings.HasPrefix(name, "type:.")
}

// packageOf returns the escaped path of the package that a symbol's name begins with, or "".
func packageOf(name string) string {
	for _, prefix := range []string{"go:itab.", "type:.eqfunc.", "type:.eq.", "type:.hashfunc.", "type:.hash.", typePrefix} {
		name = strings.TrimPrefix(name, prefix)
	}
	name = strings.TrimLeft(name, "*[]0123456789")
	end := len(name)
	if i := strings.IndexAny(name, "([,"); i >= 0 {
		end = i
	}
	slash := strings.LastIndexByte(name[:end], '/')
	dot := strings.IndexByte(name[slash+1:], '.')
	if dot < 0 {
		return ""
	}
	return name[:slash+1+dot]
}
