package state

import "reflect"

// aheadFields returns the maps that can go ahead: fields of the struct that t points to. If their values had pointers, two entries that
// share something could come to have one each: what came ahead and what has changed are different streams.
func aheadFields(t reflect.Type) (kept, goMaps []field) {
	if t == nil || t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return nil, nil
	}
	s := shaper{}.of(t)
	tied := beside(s)
	for _, f := range s.elem.fields {
		switch {
		case f.shape.kept && tied[f.shape] == "" && f.shape.tracked():
			kept = append(kept, f)
		case f.shape.kind == reflect.Map && !f.shape.kept && f.shape.mirrored() && !s.shares(f.shape):
			goMaps = append(goMaps, f)
		}
	}
	return kept, goMaps
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

// mirrored reports whether there can be a mirror of a Go map: keys are equal if their memory is, or look the same, and nothing that
// keys and values refer to can change.
func (s *shape) mirrored() bool {
	return walksMaps && s.key.typ.Size() > 0 && s.key.constant(true) && s.elem.constant(false)
}

// constant reports whether a value of the shape, once copied, never changes. A key must be equal to itself as well, which a number
// that is none isn't.
func (s *shape) constant(key bool) bool {
	switch s.kind {
	case reflect.Bool, reflect.String:
		return true
	case reflect.Array:
		return s.elem.constant(key)
	case reflect.Struct:
		for _, f := range s.fields {
			if !f.shape.constant(key) {
				return false
			}
		}
		return !key || !s.closed
	case stdKind:
		return !key && classOf(s.typ) == value
	}
	return isNumber(s.kind) && !(key && (numbers[s.kind].class == 'f' || numbers[s.kind].class == 'c'))
}

// shares reports whether a value of the shape, a pointer to a struct, may have a Go map of one of the struct's fields elsewhere than in
// such a field. Two fields may have the same as well, which only values show.
func (s *shape) shares(m *shape) (shares bool) {
	holds := func(in, e *shape) {
		shares = shares || e != nil && (e == s || e == s.elem && in != s || e.kind == reflect.Map && e.object == m.object)
	}
	s.follow(root, func(in *shape, _ string) {
		holds(in, in.key)
		holds(in, in.elem)
		for _, f := range in.fields {
			if in != s.elem || f.shape.kind != reflect.Map {
				holds(in, f.shape)
			}
		}
		shares = shares || in.kind == reflect.Interface && nameable(m.typ, mostNested)
	})
	return shares
}
