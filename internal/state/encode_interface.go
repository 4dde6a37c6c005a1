package state

import (
	"fmt"
	"reflect"
	"unsafe"
)

func (e *encoder) interfaceValue(s *shape, p unsafe.Pointer) {
	i := reflect.NewAt(s.typ, p).Elem()
	if i.IsNil() {
		e.null()
		return
	}
	x := i.Elem()
	dynamic, ok := e.dynamic[x.Type()]
	if !ok {
		if nameable(x.Type(), mostNested) {
			dynamic = e.shaper.of(x.Type())
			e.origins = append(e.origins, foundIn{dynamic, s})
		}
		e.dynamic[x.Type()] = dynamic
	}
	if dynamic == nil {
		e.fail(s, "interface holds a %v, a type that streams have no name for", x.Type())
		return
	}
	if e.depth++; e.depth > tooDeep {
		e.fail(s, "interfaces nested deeper than %d", tooDeep)
		return
	}
	e.head(majorArray, 2)
	if n, ok := e.numbers[dynamic]; ok {
		e.uint(uint64(n))
	} else {
		e.describe(dynamic)
	}
	e.charge(1, int64(x.Type().Size()))
	e.inline(dynamic, box(x))
	e.depth--
}

// foundIn records in which interface a shape was found.
type foundIn struct{ dynamic, outer *shape }

func (e *encoder) fail(s *shape, format string, args ...any) {
	if e.err == nil {
		e.err = &Refusal{From: e.root.typ, Reasons: []Reason{{e.pathOf(s), fmt.Sprintf(format, args...)}}}
	}
}

// pathOf returns the path to a shape, for messages. It looks in the state's own type first, then in the interfaces seen so far,
// each of which was found before what it holds.
func (e *encoder) pathOf(what *shape) string {
	if path, ok := e.root.find(what); ok {
		return path
	}
	for _, f := range e.origins {
		if path, ok := f.dynamic.find(what); ok {
			return e.pathOf(f.outer) + path[len(root):]
		}
	}
	return root
}
