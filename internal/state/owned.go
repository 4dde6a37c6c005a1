package state

import (
	"reflect"
	"slices"
)

// owned reports whether a value of the shape may be the root of a tree: it holds numbers, strings and the like, and pointers, slices
// and Go maps of these, but not itself, and nothing of which only a value shows what it holds.
func (s *shape) owned() bool { return s.ownedIn(nil) }

// mostInArray bounds the references in an array, each of which is one of the value's own.
const mostInArray = 64

func (s *shape) ownedIn(above []*shape) bool {
	if slices.Contains(above, s) {
		return false
	}
	above = append(above, s)
	switch s.kind {
	case reflect.Bool, reflect.String, lockKind:
		return true
	case reflect.Struct:
		return !slices.ContainsFunc(s.fields, func(f field) bool { return !f.shape.ownedIn(above) })
	case reflect.Array:
		return (s.len <= mostInArray || !s.elem.refers()) && s.elem.ownedIn(above)
	case reflect.Pointer: // all pointers to nothing are equal; two to arrays may share a part, if they are made from slices
		return s.elem.typ.Size() > 0 && s.elem.kind != reflect.Array && s.elem.ownedIn(above)
	case reflect.Slice:
		return s.elem.ownedIn(above)
	case reflect.Map:
		return s.walkable() && s.elem.ownedIn(above)
	case stdKind:
		return classOf(s.typ) == value
	}
	return isNumber(s.kind)
}

// walkable reports whether the shape is that of a Go map in which keys are equal if their memory is, or look the same, and don't change.
func (s *shape) walkable() bool {
	return walksMaps && s.kind == reflect.Map && !s.kept && s.key.typ.Size() > 0 && s.key.constant()
}

// constant reports whether a key of the shape never changes and is equal to itself, which a number that is none isn't.
func (s *shape) constant() bool {
	switch s.kind {
	case reflect.Bool, reflect.String:
		return true
	case reflect.Array:
		return s.elem.constant()
	case reflect.Struct:
		return !s.closed && !slices.ContainsFunc(s.fields, func(f field) bool { return !f.shape.constant() })
	}
	return isNumber(s.kind) && numbers[s.kind].class != 'f' && numbers[s.kind].class != 'c'
}

// memory is what a pointer leads to, or an array of which slices may have parts.
type memory struct {
	typ   reflect.Type
	array bool // any number of values of the type
}

// target returns the memory that a pointer or a slice leads to.
func (s *shape) target() memory { return memory{s.elem.typ, s.kind == reflect.Slice} }

// within adds the parts of a value of the shape, which pointers may lead to.
func (s *shape) within(parts map[memory]bool) {
	parts[memory{s.typ, false}] = true
	if s.kind == reflect.Array {
		parts[memory{s.elem.typ, true}] = true
		s.elem.within(parts)
	}
	for _, f := range s.fields {
		f.shape.within(parts)
	}
}

// reached collects the shapes that can be reached from some, and what the references among them lead to.
type reached struct {
	shapes map[*shape]bool
	refs   []*shape
	parts  map[*shape]map[memory]bool // of what the reference leads to, which is part of it
}

func newReached() *reached { return &reached{map[*shape]bool{}, nil, map[*shape]map[memory]bool{}} }

func (r *reached) add(s *shape) {
	s.follow(root, func(s *shape, _ string) {
		if r.shapes[s] {
			return
		}
		r.shapes[s] = true
		switch s.kind {
		case reflect.Pointer, reflect.Slice:
			r.lead(s)
		case reflect.Map, reflect.Interface:
			r.refs = append(r.refs, s)
		}
	})
}

// lead adds what a pointer or a slice leads to, and not what that refers to.
func (r *reached) lead(s *shape) {
	parts := map[memory]bool{s.target(): true}
	s.elem.within(parts)
	r.parts[s] = parts
	r.refs = append(r.refs, s)
}

// meets reports whether something that s refers to, one of r, may also be what e refers to, one of other, or a part of it, or have it as
// a part.
func (r *reached) meets(s *shape, other *reached, e *shape) bool {
	switch {
	case e.kind == reflect.Interface: // it may hold any pointer
		return true
	case s.kind == reflect.Map || e.kind == reflect.Map:
		return s.kind == e.kind && s.object == e.object
	}
	return r.parts[s][e.target()] || other.parts[e][s.target()]
}
