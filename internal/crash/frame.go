package crash

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Frame is one call on a stack.
type Frame struct {
	Func    string // as printed, with its package: "example.com/p_gki9AoDGgo9m2.(*tree).depth"
	Package string // the import path that it was compiled under; empty for "panic" and for functions that aren't Go's
	File    string // empty if it wasn't printed
	Line    int
}

// String returns the function, and the file and line if they are known.
func (f Frame) String() string {
	if f.File == "" {
		return f.Func
	}
	return fmt.Sprintf("%s (%s:%d)", f.Func, f.File, f.Line)
}

func newFrame(name string) Frame {
	return Frame{Func: name, Package: PackageOf(name)}
}

// PackageOf returns the import path in a function's name, or "". Dots in the last element of the path are escaped there, so the
// first plain dot ends the path.
func PackageOf(name string) string {
	path := name
	if i := strings.IndexAny(path, "(["); i >= 0 { // a receiver or a type argument begins
		path = path[:i]
	}
	last := strings.LastIndexByte(path, '/') + 1
	dot := strings.IndexByte(path[last:], '.')
	if dot < 0 {
		return ""
	}
	path = path[:last+dot]
	if plain, err := url.PathUnescape(path); err == nil {
		return plain
	}
	return path
}

// call returns the function in a line such as "main.(*T).Method(0x1, {0x2, 0x3})". The arguments never have parentheses.
func call(s string) (name string, ok bool) {
	i := strings.LastIndexByte(s, '(')
	if i <= 0 || !strings.HasSuffix(s, ")") || strings.ContainsAny(s[:i], " \t") {
		return "", false
	}
	return s[:i], true
}

var locationLine = pattern(`^(.+):(\d+)(?: \+0x[0-9a-f]+)?(?: fp=.*)?$`)

// location parses the line below a call, such as "main.go:12 +0x1a".
func location(s string) (file string, line int) {
	m := locationLine().FindStringSubmatch(s)
	if m == nil {
		return "", 0
	}
	line, err := strconv.Atoi(m[2])
	if err != nil {
		return "", 0
	}
	return m[1], line
}
