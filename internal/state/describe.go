package state

import (
	"reflect"
	"slices"
)

// A stream begins with the shapes of all types in it: an array of nodes. The first is that of the state itself. A node is
//
//	[kind, name]                                 of numbers, strings and interfaces, and of closed types
//	[kind, name, elem]                           of pointers and slices
//	[kind, name, elem, len]                      of arrays
//	[kind, name, key, elem]                      of maps
//	[kind, name, [field, node, field, node, …]]  of structs
//	[kind, name, […], [[position, former, …], …]] of structs with fields that had other names before, by their positions
//
// where elem, key and node are positions in the array. Types found in interfaces later are added where they occur.

var kindNames = func() map[string]reflect.Kind {
	m := map[string]reflect.Kind{"std": stdKind, "lock": lockKind}
	for k := reflect.Bool; k < reflect.UnsafePointer; k++ {
		if k != reflect.Chan && k != reflect.Func {
			m[k.String()] = k
		}
	}
	return m
}()

func kindName(k reflect.Kind) string {
	switch k {
	case stdKind:
		return "std"
	case lockKind:
		return "lock"
	}
	return k.String()
}

// closedStruct is the kind of structs of the standard library whose fields only that library may fill.
const closedStruct = "closed"

// describe numbers s and all shapes reached from it that have no number yet, and writes their nodes.
func (e *encoder) describe(s *shape) {
	var added []*shape
	var number func(s *shape)
	number = func(s *shape) {
		if _, ok := e.numbers[s]; s == nil || ok {
			return
		}
		e.numbers[s] = len(e.numbers)
		added = append(added, s)
		number(s.key)
		number(s.elem)
		for _, f := range s.fields {
			number(f.shape)
		}
	}
	number(s)
	e.head(majorArray, uint64(len(added)))
	e.charge(int64(len(added)), shapeMemory)
	for _, s := range added {
		e.node(s)
	}
}

func (e *encoder) node(s *shape) {
	kind := kindName(s.kind)
	if s.closed {
		kind = closedStruct
	}
	size := 2
	switch s.kind {
	case reflect.Pointer, reflect.Slice, reflect.Struct:
		size = 3
	case reflect.Array, reflect.Map:
		size = 4
	}
	var renamed []int
	for i, f := range s.fields {
		if len(f.was) > 0 {
			renamed = append(renamed, i)
			size = 4
		}
	}
	e.head(majorArray, uint64(size))
	e.name(kind)
	e.name(s.name)
	switch s.kind {
	case reflect.Pointer, reflect.Slice:
		e.uint(uint64(e.numbers[s.elem]))
	case reflect.Array:
		e.uint(uint64(e.numbers[s.elem]))
		e.uint(uint64(s.len))
	case reflect.Map:
		e.uint(uint64(e.numbers[s.key]))
		e.uint(uint64(e.numbers[s.elem]))
	case reflect.Struct:
		e.head(majorArray, uint64(2*len(s.fields)))
		e.charge(int64(len(s.fields)), fieldMemory)
		for _, f := range s.fields {
			e.name(f.name)
			e.uint(uint64(e.numbers[f.shape]))
		}
		if len(renamed) == 0 {
			return
		}
		e.head(majorArray, uint64(len(renamed)))
		for _, i := range renamed {
			e.head(majorArray, uint64(1+len(s.fields[i].was)))
			e.uint(uint64(i))
			for _, was := range s.fields[i].was {
				e.charge(1, wasMemory)
				e.name(was)
			}
		}
	}
}

// mostShapes is the maximum number of types in one stream.
const mostShapes = 1 << 16

// nodes reads nodes and appends their shapes.
func (d *decoder) nodes() {
	n := d.expect(majorArray)
	if !d.elements(n) {
		return
	}
	if n > mostShapes-uint64(len(d.shapes)) {
		d.corrupt("%d types", n)
		return
	}
	first := len(d.shapes)
	if !d.charge(int64(n), shapeMemory) {
		return
	}
	for range n {
		d.shapes = append(d.shapes, &shape{})
	}
	for _, s := range d.shapes[first:] {
		if d.node(s); d.err != nil {
			return
		}
	}
	for _, s := range d.shapes[first:] {
		if d.inlineDepth(s) > mostInline {
			d.corrupt("type %q contains itself, or others too deeply", s.name)
			return
		}
	}
}

func (d *decoder) node(s *shape) {
	size := d.expect(majorArray)
	kind := string(d.str())
	s.name = string(d.str())
	if s.closed = kind == closedStruct; s.closed {
		kind = reflect.Struct.String()
	}
	var known bool
	s.kind, known = kindNames[kind]
	want := uint64(2)
	switch s.kind {
	case reflect.Pointer, reflect.Slice:
		want, s.elem = 3, d.shape()
	case reflect.Array:
		want, s.elem = 4, d.shape()
		n := d.uint()
		if s.len = int(n); n > 1<<40 {
			d.corrupt("array of %d", n)
		}
	case reflect.Map:
		want, s.key, s.elem = 4, d.shape(), d.shape()
	case reflect.Struct:
		want = 3
		n := d.expect(majorArray)
		if n%2 != 0 || !d.elements(n) || !d.charge(int64(n/2), fieldMemory) {
			d.corrupt("fields of %q", s.name)
			return
		}
		for range n / 2 {
			name := string(d.str())
			if slices.ContainsFunc(s.fields, func(f field) bool { return f.name == name }) {
				d.corrupt("two fields %q of %q", name, s.name)
			}
			if s.fields = append(s.fields, field{name: name, shape: d.shape()}); d.err != nil {
				return
			}
		}
		if size == 4 {
			want = 4
			d.formerNames(s)
		}
	}
	if d.err == nil && (!known || size != want) {
		d.corrupt("type %q of kind %q", s.name, kind)
	}
}

// formerNames reads the former names of a struct's fields.
func (d *decoder) formerNames(s *shape) {
	n := d.expect(majorArray)
	if n > uint64(len(s.fields)) {
		d.corrupt("former names of %d fields of %q, which has %d", n, s.name, len(s.fields))
	}
	for i := uint64(0); i < n && d.err == nil; i++ {
		names := d.expect(majorArray)
		at := d.uint()
		if d.err == nil && (names == 0 || at >= uint64(len(s.fields))) {
			d.corrupt("former names of field %d of %q", at, s.name)
		}
		for ; names > 1; names-- {
			if d.err != nil || !d.charge(1, wasMemory) {
				return
			}
			s.fields[at].was = append(s.fields[at].was, string(d.str()))
		}
	}
}

// shape reads the number of a shape and returns the shape.
func (d *decoder) shape() *shape {
	i := d.uint()
	if d.err == nil && i >= uint64(len(d.shapes)) {
		d.corrupt("type %d of %d", i, len(d.shapes))
	}
	if d.err != nil {
		return &shape{kind: lockKind}
	}
	return d.shapes[i]
}

// mostInline bounds how deep structs and arrays may directly hold each other, because reading their values recurses.
const mostInline = 100

// inlineDepth returns how deep s holds structs and arrays, or more than mostInline if s directly contains itself.
func (d *decoder) inlineDepth(s *shape) int {
	if s.kind != reflect.Struct && s.kind != reflect.Array {
		return 0
	}
	if depth, ok := d.depths[s]; ok {
		return depth
	}
	d.depths[s] = mostInline + 1 // used if s occurs again below
	depth := 0
	if s.elem != nil {
		depth = d.inlineDepth(s.elem)
	}
	for _, f := range s.fields {
		depth = max(depth, d.inlineDepth(f.shape))
	}
	d.depths[s] = min(depth, mostInline) + 1
	return d.depths[s]
}
