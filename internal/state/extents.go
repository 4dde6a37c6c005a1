package state

import (
	"cmp"
	"reflect"
	"slices"
	"unsafe"
)

// A pointer into the middle of something else, such as one to an element of a slice, can't be kept by copying its target:
// the giver's one variable would become two of the receiver's. The same happens if one object becomes two types. Such
// states are refused. Slices are an exception: if two share part of an array, each gets its own.

// extents holds the pieces of memory that were copied as one object each. It records them only if on is set.
type extents struct {
	on   bool
	list []extent
}

type extent struct {
	start, end uintptr
	slice      bool
	what       any // the op or shape, for the message
}

// add records size bytes at p. A map counts as one byte.
func (x *extents) add(p unsafe.Pointer, size uintptr, slice bool, what any) {
	if x.on && size > 0 {
		x.list = append(x.list, extent{uintptr(p), uintptr(p) + size, slice, what})
	}
}

// clash returns two extents that overlap and are not both slices, if there are any. Once the clock's time is up it only
// comes to an end, with any result.
func (x *extents) clash(c *clock) (inner, outer any, found bool) {
	late := false
	slices.SortStableFunc(x.list, func(a, b extent) int {
		if late = late || c.late(); late {
			return 0
		}
		return cmp.Compare(a.start, b.start)
	})
	var single, any extent // those that reach furthest so far: without slices, and of all
	for _, e := range x.list {
		before := any
		if e.slice {
			before = single
		}
		if e.start < before.end {
			return e.what, before.what, true
		}
		if !e.slice && e.end > single.end {
			single = e
		}
		if e.end > any.end {
			any = e
		}
	}
	return nil, nil, false
}

// risky reports whether values of a shape can have pointers into other objects: a pointer's target type is also part of
// another type, or there are interfaces, which may hold any pointer. A pointer to an array may have been made from a slice
// of its elements, and a slice from an array.
func risky(s *shape) bool {
	targets, parts := map[reflect.Type]bool{}, map[reflect.Type]bool{}
	arrays, slices := map[reflect.Type]bool{}, map[reflect.Type]bool{} // by element type
	found := false
	s.follow(root, func(s *shape, _ string) {
		switch s.kind {
		case reflect.Pointer:
			targets[s.object] = true
		case reflect.Slice:
			parts[s.elem.typ] = true
			slices[s.elem.typ] = true
		case reflect.Array:
			parts[s.elem.typ] = true
			arrays[s.elem.typ] = true
		case reflect.Interface:
			found = true
		}
		for _, f := range s.fields {
			parts[f.shape.typ] = true
		}
	})
	for t := range targets {
		found = found || parts[t]
	}
	for t := range slices {
		found = found || arrays[t]
	}
	return found
}

// splits reports whether steps can turn one object into two, by converting it to two types or by replacing a pointer with its
// target.
func splits(steps *op) bool {
	became := map[reflect.Type]reflect.Type{}
	found := false
	steps.follow(root, func(o *op, _ string) {
		switch o.code {
		case opPointer, opMap:
			found = found || became[o.from.object] != nil && became[o.from.object] != o.to.object
			became[o.from.object] = o.to.object
		case opDeref:
			found = true
		}
	})
	return found
}
