package state

import (
	"reflect"
	"unsafe"
)

// Where a pointer becomes a value, the value is known only when the object behind the pointer has been read. Such places are
// filled at the end.

// deref is a place whose value is in an object.
type deref struct {
	t        reflect.Type
	src, dst unsafe.Pointer
}

// unfilled is a map entry whose element holds such a place.
type unfilled struct {
	set       func(key, elem unsafe.Pointer)
	key, elem unsafe.Pointer
}

func (d *decoder) deref(o *op, dst unsafe.Pointer) {
	x := d.object(o, o.from)
	if x != nil && d.charge(1, int64(unsafe.Sizeof(deref{}))) {
		d.later = append(d.later, deref{o.elem.to.typ, x.p, dst})
	}
}

// waits reports whether a value of the op holds such a place, not counting what is behind pointers.
func (d *decoder) waits(o *op) bool {
	switch o.code {
	case opDeref:
		return true
	case opArray, opAddress:
		return d.waits(o.elem)
	case opStruct:
		for _, f := range o.fields {
			if d.waits(f.op) {
				return true
			}
		}
	}
	return false
}

// fillLater fills the places. It begins with those found last, because the places inside an object are found after the object.
func (d *decoder) fillLater() {
	if d.err != nil {
		return
	}
	for i := len(d.later) - 1; i >= 0; i-- {
		x := d.later[i]
		reflect.NewAt(x.t, x.dst).Elem().Set(reflect.NewAt(x.t, x.src).Elem())
	}
	for _, x := range d.maps {
		x.set(x.key, x.elem)
	}
}
