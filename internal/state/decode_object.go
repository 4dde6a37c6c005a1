package state

import (
	"reflect"
	"unsafe"
)

// object reads a reference to an object. If the object is new, it allocates it; its content follows later in the stream.
// o is nil if the receiver has no place for the reference. object returns nil then, for a nil pointer, and after an error.
func (d *decoder) object(o *op, s *shape) *decoded {
	if d.null() {
		return nil
	}
	if !d.need(1) {
		return nil
	}
	if d.buf[d.pos]>>5 != majorArray {
		return d.earlier(o)
	}
	d.array(1)
	n := d.uint()
	if s.kind == reflect.Pointer && n != 1 {
		d.corrupt("pointer to %d", n)
	}
	if !d.elements(n) || !d.charge(1, int64(unsafe.Sizeof(decoded{}))) {
		return nil
	}
	x := decoded{op: o, shape: s, n: int(n)}
	if o == nil {
		x.op = d.live[liveKey{s.kind, s.key, s.elem}]
	}
	if x.op != nil {
		x.p = d.room(x.op, x.n)
	}
	d.objects = append(d.objects, x)
	if o == nil || d.err != nil {
		return nil
	}
	return &d.objects[len(d.objects)-1]
}

// earlier reads the number of an earlier object, which must have been made by the same kind of op as o.
func (d *decoder) earlier(o *op) *decoded {
	i := d.uint()
	if d.err == nil && (i == 0 || i > uint64(len(d.objects))) {
		d.corrupt("object %d of %d", i, len(d.objects))
	}
	if o == nil || d.err != nil {
		return nil
	}
	x := &d.objects[i-1]
	if x.op == nil || x.op.code != o.code || x.op.to.object != o.to.object || o.code == opDeref {
		d.refuse(nil, Reason{d.pathOf(o), "refers to an object that became another type elsewhere"})
		return nil
	}
	if x.op.from != o.from && (x.op.from.elem != o.from.elem || x.op.from.key != o.from.key) {
		d.corrupt("object of two types")
		return nil
	}
	return x
}

func (d *decoder) pathOf(o *op) string {
	path, _ := d.root.find(o)
	if path == "" {
		return root
	}
	return path
}

// room allocates memory for an object.
func (d *decoder) room(o *op, n int) unsafe.Pointer {
	if o.code != opMap {
		if o.code == opSlice {
			d.entries += int64(n)
		}
		return d.alloc(o.target(), n)
	}
	d.entries += int64(n)
	if !d.charge(1, mapHead) || !d.charge(int64(n), int64(o.key.to.typ.Size()+o.elem.to.typ.Size()+1)) || !d.charge(1, o.to.mapMemory(0)) {
		return nil
	}
	// The limit has room for all entries. A map that grows as they arrive takes twice as long to fill.
	return o.to.makeMap(n)
}

// target returns the type that an object's pointer points to.
func (o *op) target() reflect.Type {
	if o.code == opDeref {
		return o.elem.to.typ
	}
	return o.to.object
}

// content reads the content of an object.
func (d *decoder) content(x decoded) {
	o := x.op
	switch {
	case o == nil:
		d.skipContent(x)
	case o.code == opMap:
		d.pairs(o, x.p, x.n)
	case o.code != opSlice:
		d.inline(o.elem, x.p)
	case o.from.elem.kind == reflect.Uint8:
		d.bytes(o.elem, x.p, x.n)
	default:
		d.sequence(o.elem, x.p, x.n)
	}
}

// bytes reads a byte string into bytes or, if the element type was widened, into wider numbers.
func (d *decoder) bytes(elem *op, p unsafe.Pointer, n int) {
	if d.err != nil {
		return
	}
	if elem.to.kind == reflect.Uint8 {
		d.into(unsafe.Slice((*byte)(p), n))
		return
	}
	narrow := d.str()
	if d.err == nil && len(narrow) != n {
		d.corrupt("%d bytes instead of %d", len(narrow), n)
	}
	for i := 0; i < n && d.err == nil; i++ {
		e, at := elem, unsafe.Add(p, uintptr(i)*elem.to.typ.Size())
		if e.code == opAddress {
			q := d.alloc(e.elem.to.typ, 1)
			*(*unsafe.Pointer)(at) = q
			e, at = e.elem, q
		}
		if d.err == nil {
			widen(reflect.Uint8, e.to.kind, unsafe.Pointer(&narrow[i]), at)
		}
	}
}

// pairs reads the entries of a map.
func (d *decoder) pairs(o *op, p unsafe.Pointer, n int) {
	if got := d.expect(majorMap); d.err == nil && got != uint64(n) {
		d.corrupt("%d entries instead of %d", got, n)
	}
	set := o.to.setter(p)
	key, elem := reflect.New(o.key.to.typ), reflect.New(o.elem.to.typ)
	waits, check := d.waits(o.elem), !clean(o.key.to.typ)
	for i := 0; i < n && d.err == nil; i++ {
		if waits { // both are used until the end
			key, elem = reflect.New(o.key.to.typ), reflect.New(o.elem.to.typ)
		}
		key.Elem().SetZero()
		elem.Elem().SetZero()
		d.inline(o.key, key.UnsafePointer())
		d.inline(o.elem, elem.UnsafePointer())
		if d.err == nil && check && !key.Elem().Comparable() {
			d.corrupt("key of a map can't be compared")
		}
		if d.err != nil {
			return
		}
		if waits {
			d.maps = append(d.maps, unfilled{set, key.UnsafePointer(), elem.UnsafePointer()})
		} else {
			set(key.UnsafePointer(), elem.UnsafePointer())
		}
	}
	if d.err == nil && !waits && o.to.mapLen(p) != n {
		d.corrupt("a map with the same key twice")
	}
}
