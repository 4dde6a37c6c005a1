package state

import (
	"cmp"
	"reflect"
	"slices"
)

// A pointer into the middle of something else, such as one to an element of a slice, can't be kept by copying what it
// points to: giver's one variable would become receiver's two. The same goes for one object that becomes two types. Such
// states are refused. Slices are let off: where two share parts of an array, each gets its own.

// extent is memory that was copied as one object. A map counts as one byte.
type extent struct {
	start, end uintptr
	op         *op
}

// risky reports whether a value of these steps can have such pointers: something that is pointed to is also part of
// something else, or becomes two types, or loses its pointer; or there are interfaces, which may hold any pointer.
func risky(steps *op) bool {
	targets, parts := map[reflect.Type]*shape{}, map[reflect.Type]bool{}
	found := false
	target := func(from, to *shape) {
		found = found || targets[from.typ] != nil && targets[from.typ].typ != to.typ
		targets[from.typ] = to
	}
	steps.follow(root, func(o *op, _ string) {
		switch o.code {
		case opPointer:
			target(o.elem.from, o.elem.to)
		case opMap:
			target(o.from, o.to)
		case opSlice, opArray:
			within(o.elem.from, parts)
		case opInterface, opDeref:
			found = true
		case opStruct:
			for _, f := range o.fields {
				within(f.op.from, parts)
			}
		case opBytes: // its parts have no steps
			for _, f := range o.from.fields {
				within(f.shape, parts)
			}
		}
	})
	for t, to := range targets {
		found = found || parts[t] && to.kind != reflect.Map
	}
	return found
}

// within collects s and the types that values of s contain.
func within(s *shape, parts map[reflect.Type]bool) {
	parts[s.typ] = true
	if s.kind == reflect.Array {
		within(s.elem, parts)
	}
	for _, f := range s.fields {
		within(f.shape, parts)
	}
}

// disjoint refuses when two copied objects overlap, unless both are slices.
func (m *mover) disjoint() {
	slices.SortFunc(m.extents, func(a, b extent) int { return cmp.Compare(a.start, b.start) })
	var single, any extent // those that reach furthest so far
	for _, e := range m.extents {
		if e.start == e.end {
			continue
		}
		clash := single
		if e.op.code != opSlice {
			clash = any
		}
		if e.start < clash.end {
			m.fail(e.op, "refers to something that %s refers to as well, wholly or in part", m.pathOf(clash.op))
			return
		}
		if e.op.code != opSlice && e.end > single.end {
			single = e
		}
		if e.end > any.end {
			any = e
		}
	}
}
