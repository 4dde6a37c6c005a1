package state

import (
	"fmt"
	"io"
	"reflect"
	"unicode/utf8"
	"unsafe"

	"github.com/sohost/sohost/abi"
)

// Tree is the content of a stream, read without the plugin's types: a stream carries the names of all types and fields.
type Tree struct {
	abi.State         // Schema and Version; Value is nil
	Type      string  // of the state, "" if there is none
	root      any     // see values below
	objects   []treed // by the numbers that references have, counted from 0
}

// The values of a tree are nil, bool, int64, uint64, float64, string, []byte and these.
type (
	treeRef    int   // a pointer, slice or map: the position of an object
	treeArray  []any // of an array, and the content of a slice
	treeStruct struct {
		shape  *shape
		fields []any
	}
	treeMap     struct{ keys, elems []any }
	treeComplex complex128
	treeStd     struct { // of a closed type, as that has encoded itself
		name string
		b    []byte
	}
	treeDynamic struct { // what an interface holds
		name  string
		value any
	}
)

// treed is an object of a tree. refs is how many references lead to it.
type treed struct {
	shape   *shape
	n       int
	refs    int
	content any
}

// ReadTree reads what Encode wrote, whatever its types are, up to the end of r. The limits are those of Decode: a hostile
// stream costs no more memory than they allow. The error is ErrCorrupt, ErrLimit, or ErrRefused for the
// format of a newer program.
func ReadTree(r io.Reader, o DecodeOptions) (*Tree, error) {
	o = o.withDefaults()
	d := &treeReader{decoder: decoder{
		reader: newReader(r, o.MaxBytes, o.MaxMemory), depths: map[*shape]int{},
	}}
	t := &Tree{State: d.header()}
	d.nodes()
	d.sum()
	if b, info, _ := d.head(); d.err == nil && (b != majorArray || info != indefinite) {
		d.corrupt("list of values missing")
	}
	if d.err == nil && len(d.shapes) > 0 {
		t.Type = d.shapes[0].name
		t.root = d.value(d.shapes[0])
		for i := 0; i < len(d.tree) && d.err == nil; i++ {
			content := d.contentOf(d.tree[i])
			d.tree[i].content = content
		}
	}
	if b, info, _ := d.head(); d.err == nil && (b != majorSimple || info != indefinite) {
		d.corrupt("values left over")
	}
	d.sum()
	d.ended()
	err := d.verdict()
	d.free()
	if err != nil {
		return nil, err
	}
	t.objects = d.tree
	return t, nil
}

type treeReader struct {
	decoder
	tree []treed
}

// treeCost is the memory of one value in a tree, in bytes: an interface and what it leads to.
const treeCost = 48

func (d *treeReader) value(s *shape) any {
	if d.err != nil || !d.charge(1, treeCost) {
		return nil
	}
	switch s.kind {
	case reflect.Bool:
		return d.bool()
	case reflect.String:
		return d.text()
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return d.reference(s)
	case reflect.Array:
		return treeArray(d.elementsOf(s.elem, s.len))
	case reflect.Struct:
		d.array(len(s.fields))
		x := treeStruct{shape: s}
		for _, f := range s.fields {
			x.fields = append(x.fields, d.value(f.shape))
		}
		return x
	case reflect.Interface:
		return d.dynamicValue()
	case lockKind:
		if !d.null() {
			d.corrupt("not a lock")
		}
		return nil
	case stdKind:
		return treeStd{s.name, d.str()}
	}
	return d.numeric(s.kind)
}

// text returns a string as text, or as bytes if it isn't UTF-8.
func (d *treeReader) text() any {
	s := d.shared()
	if utf8.ValidString(s) {
		return s
	}
	return []byte(s)
}

// elementsOf returns the elements of a slice or an array.
func (d *treeReader) elementsOf(s *shape, n int) []any {
	if d.packed(s, n) {
		return several(d, n, func() any { return d.packedValue(s) })
	}
	d.array(n)
	return several(d, n, func() any { return d.value(s) })
}

func several(d *treeReader, n int, next func() any) []any {
	var all []any // grows as the values arrive: n may be a lie
	for i := 0; i < n && d.err == nil; i++ {
		all = append(all, next())
	}
	return all
}

func (d *treeReader) numeric(k reflect.Kind) any {
	var x complex128 // room for any number
	wide := widestKind(k)
	if wide == reflect.Invalid {
		d.corrupt("value of kind %v", k)
		return nil
	}
	d.number(k, wide, unsafe.Pointer(&x))
	return treeNumber(wide, &x)
}

// widestKind returns the kind that holds all numbers of a kind's class, or Invalid for a kind that has no numbers.
func widestKind(k reflect.Kind) reflect.Kind {
	if isNumber(k) {
		switch numbers[k].class {
		case 'i':
			return reflect.Int64
		case 'u':
			return reflect.Uint64
		case 'f':
			return reflect.Float64
		case 'c':
			return reflect.Complex128
		}
	}
	return reflect.Invalid
}

// treeNumber returns a number of one of the widestKind kinds.
func treeNumber(wide reflect.Kind, x *complex128) any {
	p := unsafe.Pointer(x)
	switch wide {
	case reflect.Int64:
		return *(*int64)(p)
	case reflect.Uint64:
		return *(*uint64)(p)
	case reflect.Float64:
		return *(*float64)(p)
	}
	return treeComplex(*x)
}

// packedValue reads a packed value.
func (d *treeReader) packedValue(s *shape) any {
	if d.err != nil || !d.charge(1, treeCost) {
		return nil
	}
	switch s.kind {
	case reflect.Array:
		return treeArray(several(d, s.len, func() any { return d.packedValue(s.elem) }))
	case reflect.Struct:
		x := treeStruct{shape: s}
		for _, f := range s.fields {
			x.fields = append(x.fields, d.packedValue(f.shape))
		}
		return x
	}
	var from, to complex128 // room for any number, well aligned
	d.copy(unsafe.Slice((*byte)(unsafe.Pointer(&from)), s.packedSize()))
	widen(s.kind, widestKind(s.kind), unsafe.Pointer(&from), unsafe.Pointer(&to))
	return treeNumber(widestKind(s.kind), &to)
}

func (d *treeReader) reference(s *shape) any {
	if d.null() || !d.need(1) {
		return nil
	}
	if d.buf[d.pos]>>5 != majorArray {
		i := d.uint()
		if d.err == nil && (i == 0 || i > uint64(len(d.tree))) {
			d.corrupt("object %d of %d", i, len(d.tree))
		}
		if d.err != nil {
			return nil
		}
		d.tree[i-1].refs++
		return treeRef(i - 1)
	}
	d.array(1)
	n := d.uint()
	if s.kind == reflect.Pointer && n != 1 {
		d.corrupt("pointer to %d", n)
	}
	if !d.elements(n) || !d.charge(1, int64(unsafe.Sizeof(treed{}))) {
		return nil
	}
	d.tree = append(d.tree, treed{shape: s, n: int(n), refs: 1})
	return treeRef(len(d.tree) - 1)
}

func (d *treeReader) dynamicValue() any {
	if d.null() {
		return nil
	}
	inner := d.dynamicShape()
	if d.depth++; d.depth > tooDeep {
		d.corrupt("interfaces nested deeper than %d", tooDeep)
	}
	defer func() { d.depth-- }()
	if d.err != nil {
		return nil
	}
	return treeDynamic{inner.name, d.value(inner)}
}

func (d *treeReader) contentOf(o treed) any {
	s := o.shape
	switch {
	case s.kind == reflect.Pointer:
		return d.value(s.elem)
	case s.kind == reflect.Map:
		if got := d.expect(majorMap); d.err == nil && got != uint64(o.n) {
			d.corrupt("%d entries instead of %d", got, o.n)
		}
		var m treeMap
		for i := 0; i < o.n && d.err == nil; i++ {
			m.keys = append(m.keys, d.value(s.key))
			m.elems = append(m.elems, d.value(s.elem))
		}
		return m
	case s.elem.kind == reflect.Uint8:
		b := d.str()
		if d.err == nil && len(b) != o.n {
			d.corrupt("%d bytes instead of %d", len(b), o.n)
		}
		return b
	}
	return treeArray(d.elementsOf(s.elem, o.n))
}

// Objects returns the number of objects that pointers, slices and maps refer to.
func (t *Tree) Objects() int { return len(t.objects) }

func (t *Tree) String() string { return fmt.Sprintf("%s version %d: %s", t.Schema, t.Version, t.Type) }
