package state

import (
	"reflect"
	"unsafe"
)

// The elements of a slice or an array may be packed: written as one byte string, in which each number takes as many bytes as its kind
// has, little-endian, as in memory. A reader tells by the type of the CBOR item. So numbers that lie in memory without gaps are
// written, and read again if the type hasn't changed, as fast as memory is copied.

// packedFrom is the least length of what is packed, in bytes: fewer small numbers take less in CBOR.
const packedFrom = 256

// mostPacked bounds the length of one packed value, in bytes.
const mostPacked = 1 << 40

// packedSize returns how many bytes a packed value of the shape takes, or 0 if it holds anything but numbers.
func (s *shape) packedSize() int {
	if s.packed == 0 {
		s.packed = s.measure()
	}
	return max(s.packed, 0)
}

// measure is packedSize, with -1 for 0.
func (s *shape) measure() int {
	switch {
	case isNumber(s.kind):
		return numbers[s.kind].bits / 8
	case s.kind == reflect.Array && s.len > 0:
		if n := s.elem.packedSize(); n > 0 && n < mostPacked/s.len {
			return n * s.len
		}
	case s.kind == reflect.Struct && !s.closed:
		sum := 0
		for _, f := range s.fields {
			n := f.shape.packedSize()
			if n == 0 || sum > mostPacked-n {
				return -1
			}
			sum += n
		}
		if sum > 0 {
			return sum
		}
	}
	return -1
}

// gapless reports whether the memory of a value is what it is packed. Fields lie in their order, so that without gaps the lengths are
// the same.
func (s *shape) gapless() bool {
	n := s.packedSize()
	return n > 0 && uintptr(n) == s.typ.Size()
}

// sequence writes n elements of a slice or array that begin at p.
func (e *encoder) sequence(elem *shape, p unsafe.Pointer, n int) {
	size := elem.typ.Size()
	if elem.gapless() && uintptr(n)*size >= packedFrom {
		e.bytes(unsafe.Slice((*byte)(p), uintptr(n)*size))
		return
	}
	e.head(majorArray, uint64(n))
	for i := uintptr(0); i < uintptr(n) && e.err == nil; i++ {
		e.inline(elem, unsafe.Add(p, i*size))
	}
}

// packed reports whether the elements that are next are packed. If so, it reads the head, which must be for n of them.
func (d *decoder) packed(elem *shape, n int) bool {
	if d.format < packedFormat || !d.need(1) || d.buf[d.pos]>>5 != majorBytes {
		return false
	}
	size := elem.packedSize()
	if got := d.expect(majorBytes); d.err == nil && (size == 0 || got%uint64(size) != 0 || got/uint64(size) != uint64(n)) {
		d.corrupt("%d bytes for %d packed elements of %q", got, n, elem.name)
	}
	return true
}

// sequence reads n elements into p, which must be zero.
func (d *decoder) sequence(o *op, p unsafe.Pointer, n int) {
	size := o.to.typ.Size()
	if !d.packed(o.from, n) {
		d.array(n)
		for i := uintptr(0); i < uintptr(n) && d.err == nil; i++ {
			d.inline(o, unsafe.Add(p, i*size))
		}
		return
	}
	if o.copies() && d.err == nil {
		d.copy(unsafe.Slice((*byte)(p), uintptr(n)*size))
		return
	}
	for i := uintptr(0); i < uintptr(n) && d.err == nil; i++ {
		d.unpack(o, unsafe.Add(p, i*size))
	}
}

// skipElements skips n elements.
func (d *decoder) skipElements(elem *shape, n int) {
	if d.packed(elem, n) {
		d.pass(uint64(n) * uint64(elem.packedSize()))
		return
	}
	d.array(n)
	for i := 0; i < n && d.err == nil; i++ {
		d.skip(elem)
	}
}

// copies reports whether a packed value is what the receiver has in memory.
func (o *op) copies() bool {
	switch o.code {
	case opNumber:
		return o.from.kind == o.to.kind
	case opArray:
		return o.from.len == o.to.len && o.elem.copies()
	case opStruct:
		if len(o.fields) != len(o.from.fields) || !o.to.gapless() {
			return false
		}
		at := 0
		for i, f := range o.fields {
			if f.index != i || !f.op.copies() {
				return false
			}
			at += f.op.from.packedSize()
		}
		return uintptr(at) == o.to.typ.Size()
	}
	return false
}

// unpack reads a packed value into dst, which must be zero.
func (d *decoder) unpack(o *op, dst unsafe.Pointer) {
	if d.err != nil {
		return
	}
	switch o.code {
	case opNumber:
		var x complex128 // room for any number, well aligned
		d.copy(unsafe.Slice((*byte)(unsafe.Pointer(&x)), o.from.packedSize()))
		widen(o.from.kind, o.to.kind, unsafe.Pointer(&x), dst)
	case opAddress:
		if p := d.alloc(o.elem.to.typ, 1); d.err == nil {
			d.unpack(o.elem, p)
			*(*unsafe.Pointer)(dst) = p
		}
	case opArray:
		for i := uintptr(0); i < uintptr(o.from.len) && d.err == nil; i++ {
			d.unpack(o.elem, unsafe.Add(dst, i*o.elem.to.typ.Size()))
		}
	case opStruct:
		for i, f := range o.fieldOps() {
			if f == nil {
				d.pass(uint64(o.from.fields[i].shape.packedSize()))
			} else {
				d.unpack(f.op, unsafe.Add(dst, f.dst))
			}
		}
	default:
		d.corrupt("packed value of %s", o.from.name)
	}
}
