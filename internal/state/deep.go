package state

import (
	"reflect"
	"slices"
	"unsafe"
)

// deep compares and copies values of one type with all that they refer to. That must be a tree, see owned and claim. What never
// changes is compared as it is in memory: a string by where it lies, which is why a copy keeps it alive. Locks are left out, as in a
// stream.
type deep struct {
	typ   reflect.Type
	size  uintptr
	plain bool // all of a value is one stretch, or nothing
	flat  []stretch
	refs  []ref
}

// stretch is a part of a value that an assignment copies.
type stretch struct {
	start, end uintptr
	pointers   []uintptr // where in the value the garbage collector sees pointers in it
}

// ref is a pointer, a slice or a Go map in a value.
type ref struct {
	at     uintptr
	shape  *shape
	target *deep // of each value that it refers to
	marks  *marks
}

// flat returns a deep for values that refer to nothing which changes.
func flat(t reflect.Type) *deep {
	d := &deep{typ: t, size: t.Size()}
	d.cut(nil, pointerWords(t, 0, nil))
	return d
}

// deeps makes the deep of each shape once. All of them claim in the same places.
type deeps struct {
	of     map[*shape]*deep
	claims claims
}

func newDeeps() *deeps { return &deeps{map[*shape]*deep{}, claims{}} }

// deep returns the deep of a shape, which must be owned.
func (ds *deeps) deep(s *shape) *deep {
	if d := ds.of[s]; d != nil {
		return d
	}
	d := &deep{typ: s.typ, size: s.typ.Size()}
	ds.of[s] = d
	var gaps []stretch
	s.inside(0, func(s *shape, at uintptr) {
		switch s.kind {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			d.refs = append(d.refs, ref{at, s, ds.deep(s.elem), ds.claims.of(s)})
			gaps = append(gaps, stretch{start: at, end: at + s.typ.Size()})
		case lockKind:
			gaps = append(gaps, stretch{start: at, end: at + s.typ.Size()})
		}
	})
	d.cut(gaps, pointerWords(s.typ, 0, nil))
	return d
}

// inside calls visit for what a value of the shape that begins at the offset at is made of, in the order of the offsets.
func (s *shape) inside(at uintptr, visit func(s *shape, at uintptr)) {
	switch s.kind {
	case reflect.Struct:
		fields := slices.Clone(s.fields)
		slices.SortStableFunc(fields, func(a, b field) int { return int(a.offset) - int(b.offset) })
		for _, f := range fields {
			f.shape.inside(at+f.offset, visit)
		}
	case reflect.Array:
		if s.elem.refers() {
			for i := range uintptr(s.len) {
				s.elem.inside(at+i*s.elem.typ.Size(), visit)
			}
		}
	default:
		visit(s, at)
	}
}

// refers reports whether a value of the shape has references or locks in it.
func (s *shape) refers() (refers bool) {
	switch s.kind {
	case reflect.Pointer, reflect.Slice, reflect.Map, lockKind:
		return true
	case reflect.Array:
		return s.len > 0 && s.elem.refers()
	}
	return slices.ContainsFunc(s.fields, func(f field) bool { return f.shape.refers() })
}

// cut makes stretches of what lies between the gaps.
func (d *deep) cut(gaps []stretch, pointers []uintptr) {
	start := uintptr(0)
	for _, gap := range append(gaps, stretch{start: d.size, end: d.size}) {
		if start < gap.start {
			s := stretch{start: start, end: gap.start}
			for _, word := range pointers {
				if s.start <= word && word < s.end {
					s.pointers = append(s.pointers, word)
				}
			}
			d.flat = append(d.flat, s)
		}
		start = gap.end
	}
	d.plain = len(gaps) == 0
}

// pointerWords adds where in a value of type t that begins at the offset at the garbage collector sees pointers.
func pointerWords(t reflect.Type, at uintptr, found []uintptr) []uintptr {
	switch t.Kind() {
	case reflect.String, reflect.Pointer, reflect.UnsafePointer, reflect.Slice, reflect.Map, reflect.Chan, reflect.Func:
		return append(found, at)
	case reflect.Interface:
		return append(found, at, at+wordSize)
	case reflect.Array:
		if !pointers(t.Elem()) {
			return found
		}
		for i := range uintptr(t.Len()) {
			found = pointerWords(t.Elem(), at+i*t.Elem().Size(), found)
		}
	case reflect.Struct:
		for f := range t.Fields() {
			found = pointerWords(f.Type, at+f.Offset, found)
		}
	}
	return found
}

// same reports whether the value at a, a copy, is the one at b. Since a copy keeps alive what it has not copied, pointers that are
// equal then refer to the same.
func (d *deep) same(a, b unsafe.Pointer) bool {
	if d.plain {
		return sameBytes(a, b, d.size)
	}
	for i := range d.flat {
		if f := &d.flat[i]; !sameBytes(unsafe.Add(a, f.start), unsafe.Add(b, f.start), f.end-f.start) {
			return false
		}
	}
	for i := range d.refs {
		if r := &d.refs[i]; !r.same(unsafe.Add(a, r.at), unsafe.Add(b, r.at)) {
			return false
		}
	}
	return true
}

func sameBytes(a, b unsafe.Pointer, n uintptr) bool {
	return unsafe.String((*byte)(a), n) == unsafe.String((*byte)(b), n)
}

func (r *ref) same(a, b unsafe.Pointer) bool {
	x, n := r.leadsTo(a)
	y, m := r.leadsTo(b)
	if x == nil || y == nil {
		return x == y
	}
	switch {
	case n != m:
		return false
	case r.shape.kind == reflect.Map:
		return r.sameMap(x, y)
	case r.target.plain:
		return sameBytes(x, y, uintptr(n)*r.target.size)
	}
	for i := range uintptr(n) {
		if !r.target.same(unsafe.Add(x, i*r.target.size), unsafe.Add(y, i*r.target.size)) {
			return false
		}
	}
	return true
}

// sameMap compares a copy of a map with one that has as many entries.
func (r *ref) sameMap(copied, m unsafe.Pointer) bool {
	get, found := r.shape.getter(copied), reflect.New(r.target.typ).UnsafePointer()
	for w := r.shape.walk(m); ; {
		key, elem, ok := w.next()
		if !ok || !get(key, found) || !r.target.same(found, elem) {
			return !ok
		}
	}
}

// leadsTo returns where the values are that the reference at p refers to, and how many: nil and 0 if it is nil.
func (r *ref) leadsTo(p unsafe.Pointer) (to unsafe.Pointer, n int) {
	switch to = *(*unsafe.Pointer)(p); {
	case to == nil:
	case r.shape.kind == reflect.Pointer:
		n = 1
	case r.shape.kind == reflect.Slice:
		n = (*sliceHeader)(p).len
	default:
		n = r.shape.mapLen(to)
	}
	return to, n
}

// copy makes the value at to a copy of the one at from. What the value at to referred to stays as it is.
func (d *deep) copy(to, from unsafe.Pointer) {
	for i := range d.flat {
		f := &d.flat[i]
		at := f.start
		for _, word := range f.pointers { // the garbage collector must see them assigned
			copyBytes(to, from, at, word)
			*(*unsafe.Pointer)(unsafe.Add(to, word)) = *(*unsafe.Pointer)(unsafe.Add(from, word))
			at = word + wordSize
		}
		copyBytes(to, from, at, f.end)
	}
	for i := range d.refs {
		r := &d.refs[i]
		r.copy(unsafe.Add(to, r.at), unsafe.Add(from, r.at))
	}
}

func copyBytes(to, from unsafe.Pointer, start, end uintptr) {
	if start < end {
		copy(unsafe.Slice((*byte)(unsafe.Add(to, start)), end-start), unsafe.Slice((*byte)(unsafe.Add(from, start)), end-start))
	}
}

func (r *ref) copy(to, from unsafe.Pointer) {
	values, n := r.leadsTo(from)
	var copied unsafe.Pointer
	switch {
	case values == nil:
	case r.shape.kind == reflect.Map:
		copied = r.copyMap(values, n)
	case r.shape.kind == reflect.Pointer:
		copied = reflect.New(r.target.typ).UnsafePointer()
		r.target.copy(copied, values)
	default:
		all := reflect.SliceOf(r.target.typ)
		s := reflect.MakeSlice(all, n, n)
		if copied = s.UnsafePointer(); r.target.plain {
			reflect.Copy(s, reflect.NewAt(all, unsafe.Pointer(&sliceHeader{values, n, n})).Elem())
			break
		}
		for i := range uintptr(n) {
			r.target.copy(unsafe.Add(copied, i*r.target.size), unsafe.Add(values, i*r.target.size))
		}
	}
	if r.shape.kind == reflect.Slice {
		*(*sliceHeader)(to) = sliceHeader{copied, n, n}
	} else {
		*(*unsafe.Pointer)(to) = copied
	}
}

func (r *ref) copyMap(m unsafe.Pointer, n int) (copied unsafe.Pointer) {
	copied = r.shape.makeMap(n)
	set, elem := r.shape.setter(copied), reflect.New(r.target.typ).UnsafePointer()
	for w := r.shape.walk(m); ; {
		key, from, ok := w.next()
		if !ok {
			return copied
		}
		r.target.copy(elem, from)
		set(key, elem)
	}
}
