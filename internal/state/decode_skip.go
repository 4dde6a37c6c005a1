package state

import (
	"reflect"
	"unsafe"
)

// skip reads a value that has no place in the receiver. Objects in it are kept if anything else may refer to them.
func (d *decoder) skip(s *shape) {
	if d.err != nil {
		return
	}
	var none complex128 // room for any number
	switch s.kind {
	case reflect.Bool:
		d.bool()
	case reflect.String: // later ones may refer to it
		d.shared()
	case reflect.Pointer, reflect.Slice, reflect.Map:
		d.object(nil, s)
	case reflect.Array:
		d.skipElements(s.elem, s.len)
	case reflect.Struct:
		d.array(len(s.fields))
		for _, f := range s.fields {
			d.skip(f.shape)
		}
	case reflect.Interface:
		if d.null() {
			return
		}
		inner := d.dynamicShape()
		if d.depth++; d.depth > tooDeep {
			d.corrupt("interfaces nested deeper than %d", tooDeep)
		}
		if d.err == nil {
			d.skip(inner)
		}
		d.depth--
	case lockKind:
		if !d.null() {
			d.corrupt("not a lock")
		}
	case stdKind:
		d.discard()
	default:
		d.number(s.kind, s.kind, unsafe.Pointer(&none))
	}
}

func (d *decoder) skipContent(x decoded) {
	s := x.shape
	switch {
	case s.kind == reflect.Pointer:
		d.skip(s.elem)
	case s.kind == reflect.Map:
		if got := d.expect(majorMap); d.err == nil && got != uint64(x.n) {
			d.corrupt("%d entries instead of %d", got, x.n)
		}
		for i := 0; i < x.n && d.err == nil; i++ {
			d.skip(s.key)
			d.skip(s.elem)
		}
	case s.elem.kind == reflect.Uint8:
		d.discard()
	default:
		d.skipElements(s.elem, x.n)
	}
}
