package state

import (
	"reflect"
	"strings"
)

// shape is what a conversion needs to know about a type. It comes from a type of this process or from the head of a stream,
// so that the same rules apply to both.
type shape struct {
	kind   reflect.Kind // reflect's, or one of the two below; an atomic number has the kind of the number
	name   string       // for messages, and for finding closed types
	typ    reflect.Type // nil if it comes from a stream
	elem   *shape
	key    *shape
	len    int
	fields []field
	object reflect.Type // the same for all pointers, slices or maps that lead to the same memory
	kept   bool         // a keep.Map: its kind is Map
	packed int          // see packedSize; 0 if that isn't known yet, -1 if there is none
	closed bool         // a struct of the standard library whose unexported fields may be copied
}

const (
	stdKind  = reflect.Kind(64) // a closed type of the standard library, known by its name
	lockKind = reflect.Kind(65) // a lock: zero at the other end
)

type field struct {
	name     string
	was      []string // earlier names, from the tag `sohost:"was=a,was=b"`
	embedded bool
	offset   uintptr
	shape    *shape
}

// shaper makes the shape of each type once, so that recursive types come to an end.
type shaper map[reflect.Type]*shape

func (m shaper) of(t reflect.Type) *shape {
	if s := m[t]; s != nil {
		return s
	}
	s := &shape{kind: t.Kind(), name: unsuffixed(t.String()), typ: t}
	m[t] = s
	if k, ok := atomicNumber(t); ok {
		s.kind = k
		return s
	}
	if elem, ok := pointee(t); ok {
		if s.kind = reflect.Pointer; strings.HasPrefix(elem.Name(), "_Ctype_") {
			s.kind = reflect.UnsafePointer // to C memory, which is never copied
			return s
		}
		s.elem, s.object = m.of(elem), elem
		return s
	}
	if key, elem, ok := keptTypes(t); ok {
		s.kind, s.kept = reflect.Map, true
		s.key, s.elem, s.object = m.of(key), m.of(elem), t
		return s
	}
	switch t.Kind() {
	case reflect.Slice:
		s.elem, s.object = m.of(t.Elem()), t.Elem()
	case reflect.Array:
		s.elem, s.len = m.of(t.Elem()), t.Len()
	case reflect.Map:
		s.key, s.elem, s.object = m.of(t.Key()), m.of(t.Elem()), reflect.MapOf(t.Key(), t.Elem())
	case reflect.Struct:
		m.structure(s, t)
	}
	return s
}

func (m shaper) structure(s *shape, t reflect.Type) {
	switch c := classOf(t); c {
	case open:
	case data:
		s.closed, s.name = true, t.PkgPath()+"."+t.Name()
	default:
		s.kind, s.name = stdKind, t.PkgPath()+"."+t.Name()
		if c == lock {
			s.kind = lockKind
		}
		return
	}
	for f := range t.Fields() {
		if f.Name == "_" {
			continue
		}
		s.fields = append(s.fields, field{f.Name, formerNames(f.Tag), f.Anonymous, f.Offset, m.of(f.Type)})
	}
}

func formerNames(tag reflect.StructTag) []string {
	var names []string
	for part := range strings.SplitSeq(tag.Get("sohost"), ",") {
		if name, ok := strings.CutPrefix(strings.TrimSpace(part), "was="); ok && name != "" {
			names = append(names, name)
		}
	}
	return names
}

// follow calls visit once for the shape and each shape that can be reached from it, with the first path found.
func (s *shape) follow(path string, visit func(s *shape, path string)) {
	seen := map[*shape]bool{}
	var rec func(s *shape, path string)
	rec = func(s *shape, path string) {
		if s == nil || seen[s] {
			return
		}
		seen[s] = true
		visit(s, path)
		rec(s.key, path+"[key]")
		switch s.kind {
		case reflect.Slice, reflect.Array, reflect.Map:
			rec(s.elem, path+"[]")
		default:
			rec(s.elem, path)
		}
		for _, f := range s.fields {
			rec(f.shape, path+"."+f.name)
		}
	}
	rec(s, path)
}

// find returns the first path from s to what, if there is one.
func (s *shape) find(what *shape) (path string, ok bool) {
	s.follow(root, func(s *shape, p string) {
		if s == what && !ok {
			path, ok = p, true
		}
	})
	return path, ok
}

// plain reports whether a value of this shape is numbers and strings only.
func (s *shape) plain() bool {
	switch s.kind {
	case reflect.Struct:
		for _, f := range s.fields {
			if !f.shape.plain() {
				return false
			}
		}
		return true
	case reflect.Array:
		return s.elem.plain()
	case reflect.Bool, reflect.String:
		return true
	}
	return reflect.Int <= s.kind && s.kind <= reflect.Complex128
}

// leaf reports whether a value of this shape refers to no other memory, so that copying its bytes is enough.
func (s *shape) leaf() bool {
	if s.kind == lockKind || s.typ == nil || pointers(s.typ) {
		return false
	}
	switch s.kind {
	case reflect.Struct:
		for _, f := range s.fields {
			if !f.shape.leaf() {
				return false
			}
		}
	case reflect.Array:
		return s.elem.leaf()
	}
	return true
}
