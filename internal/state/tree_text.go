package state

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// TextLimits says how much WriteText shows. Zero fields have defaults.
type TextLimits struct {
	Depth  int // of objects inside each other. Default: 6
	Items  int // of each map, slice and array. Default: 10
	Length int // of each string, in bytes. Default: 80
}

// WriteText writes a tree for people: a line for each field, entry and element, indented, and abbreviated to the limits.
func (t *Tree) WriteText(w io.Writer, o TextLimits) error {
	if o.Depth == 0 {
		o.Depth = 6
	}
	if o.Items == 0 {
		o.Items = 10
	}
	if o.Length == 0 {
		o.Length = 80
	}
	x := &treeText{bufio.NewWriter(w), t, o, map[int]bool{}}
	x.line("state", t.root, 0)
	return x.Flush()
}

type treeText struct {
	*bufio.Writer
	tree  *Tree
	o     TextLimits
	shown map[int]bool
}

// line writes a value, and what it holds below it.
func (t *treeText) line(label string, x any, depth int) {
	t.WriteString(strings.Repeat("  ", depth) + label)
	t.rest(x, depth)
}

func (t *treeText) rest(x any, depth int) {
	switch x := x.(type) {
	case treeRef:
		o := t.tree.objects[x]
		if t.shown[int(x)] {
			fmt.Fprintf(t, ": the same as &%d\n", int(x))
			return
		}
		t.shown[int(x)] = true
		if o.refs > 1 {
			fmt.Fprintf(t, " &%d", int(x))
		}
		t.rest(o.content, depth)
	case treeStruct:
		t.WriteString(":\n")
		if t.deep(depth, len(x.fields)) {
			return
		}
		for i, f := range x.shape.fields {
			t.line(f.name, x.fields[i], depth+1)
		}
	case treeArray:
		fmt.Fprintf(t, ": list of %d\n", len(x))
		t.items(len(x), depth, func(i int) { t.line("["+strconv.Itoa(i)+"]", x[i], depth+1) })
	case treeMap:
		fmt.Fprintf(t, ": map of %d\n", len(x.keys))
		t.items(len(x.keys), depth, func(i int) { t.line(t.scalar(x.keys[i]), x.elems[i], depth+1) })
	case treeDynamic:
		t.WriteString(" (" + x.name + ")")
		t.rest(x.value, depth)
	default:
		t.WriteString(": " + t.scalar(x) + "\n")
	}
}

// deep ends the output below a value that lies too deep.
func (t *treeText) deep(depth, items int) bool {
	if depth < t.o.Depth || items == 0 {
		return false
	}
	t.WriteString(strings.Repeat("  ", depth+1) + "…\n")
	return true
}

func (t *treeText) items(n, depth int, line func(i int)) {
	if t.deep(depth, n) {
		return
	}
	for i := range min(n, t.o.Items) {
		line(i)
	}
	if n > t.o.Items {
		fmt.Fprintf(t, "%s… and %d more\n", strings.Repeat("  ", depth+1), n-t.o.Items)
	}
}

// scalar returns a value on one line.
func (t *treeText) scalar(x any) string {
	switch x := x.(type) {
	case nil:
		return "nil"
	case string:
		if len(x) > t.o.Length {
			return fmt.Sprintf("%s… (%d bytes)", strconv.Quote(strings.ToValidUTF8(x[:t.o.Length], "")), len(x))
		}
		return strconv.Quote(x)
	case []byte:
		if len(x) > t.o.Length/2 {
			return fmt.Sprintf("%x… (%d bytes)", x[:t.o.Length/2], len(x))
		}
		return fmt.Sprintf("0x%x", x)
	case treeStd:
		if text, ok := x.text(); ok {
			return text
		}
		return x.name + " " + t.scalar(x.b)
	case treeStruct:
		var parts []string
		for i, f := range x.shape.fields {
			parts = append(parts, f.name+" "+t.scalar(x.fields[i]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case treeArray:
		var parts []string
		for _, e := range x[:min(len(x), t.o.Items)] {
			parts = append(parts, t.scalar(e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case treeDynamic:
		return t.scalar(x.value)
	case treeRef:
		return fmt.Sprintf("&%d", int(x))
	case treeComplex:
		return fmt.Sprint(complex128(x))
	}
	return fmt.Sprint(x)
}
