package state

import (
	"reflect"
	"slices"
	"sync"
)

// aheadFields returns what can go ahead of the struct that t points to: fields of it that are keep.Maps, and Go maps in it. If values
// of a keep.Map had pointers, two entries that share something could come to have one each: what came ahead and what has changed are
// different streams. Entries of a Go map share nothing, which mirrors see to.
func aheadFields(t reflect.Type) (kept, goMaps []field) {
	if t == nil || t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return nil, nil
	}
	if found, ok := goingAhead.Load(t); ok {
		return found.(*aheadOf).kept, found.(*aheadOf).goMaps
	}
	of := &aheadOf{}
	of.kept, of.goMaps = findAhead(t)
	goingAhead.Store(t, of)
	return of.kept, of.goMaps
}

// goingAhead caches the results of findAhead. Types are never unloaded, so its entries stay.
var goingAhead sync.Map // reflect.Type → *aheadOf

type aheadOf struct{ kept, goMaps []field }

func findAhead(t reflect.Type) (kept, goMaps []field) {
	s := shaper{}.of(t)
	tied := beside(s)
	for _, f := range s.elem.fields {
		if f.shape.kept && tied[f.shape] == "" && f.shape.tracked() {
			kept = append(kept, f)
		}
	}
	return kept, s.mirrored()
}

// tracked reports whether a keep.Map can note what changes, and has values without pointers.
func (s *shape) tracked() bool {
	if !reflect.PointerTo(s.typ).Implements(reflect.TypeFor[trackedMap]()) {
		return false
	}
	shared := false
	for _, part := range []*shape{s.key, s.elem} {
		part.follow(root, func(s *shape, _ string) { shared = shared || s.kind == reflect.Pointer })
	}
	return !shared
}

// mirrored returns the Go maps in the struct that a pointer of the shape leads to of which there can be mirrors: nothing else in the
// state can refer to them, or to what their values refer to, but for each other's, which only values show.
func (s *shape) mirrored() (maps []field) {
	all := s.elem.allFields(0, nil)
	for _, f := range all {
		if f.shape.walkable() && f.shape.elem.owned() {
			maps = append(maps, f)
		}
	}
	for {
		alone := s.alone(all, maps)
		if len(alone) == len(maps) {
			return maps
		}
		maps = alone
	}
}

// allFields adds the fields of a struct at the offset at, and instead of those that are structs theirs.
func (s *shape) allFields(at uintptr, all []field) []field {
	for _, f := range s.fields {
		if f.offset += at; f.shape.kind == reflect.Struct && !f.shape.closed {
			all = f.shape.allFields(f.offset, all)
		} else {
			all = append(all, f)
		}
	}
	return all
}

// alone returns those of the maps, which are some of all fields, that can have nothing in common with the others or the rest.
func (s *shape) alone(all, maps []field) (alone []field) {
	rest, inside := newReached(), newReached()
	rest.lead(s) // pointers may lead into the struct itself
	for _, f := range all {
		if i := slices.IndexFunc(maps, func(m field) bool { return m.offset == f.offset }); i < 0 {
			rest.add(f.shape)
		} else {
			inside.add(f.shape.elem)
		}
	}
	for _, f := range maps {
		has := newReached()
		has.add(f.shape.elem)
		shares := rest.holds(f.shape)
		for _, r := range has.refs {
			shares = shares || slices.ContainsFunc(rest.refs, func(e *shape) bool { return has.meets(r, rest, e) }) ||
				slices.ContainsFunc(inside.refs, func(e *shape) bool { return has.meets(r, inside, e) && !r.alike(e) })
		}
		if !shares {
			alone = append(alone, f)
		}
	}
	return alone
}

// holds reports whether something that was reached may be the map itself.
func (r *reached) holds(m *shape) bool {
	return slices.ContainsFunc(r.refs, func(e *shape) bool {
		return e.kind == reflect.Map && e.object == m.object || e.kind == reflect.Interface && nameable(m.typ, mostNested)
	})
}

// alike reports whether two references lead to objects that are the same if their places are.
func (s *shape) alike(e *shape) bool { return s.kind == e.kind && s.object == e.object }
