package state

import (
	"bytes"
	"reflect"
	"unsafe"
)

// alike reports whether what both sides have is equal, as far as it can be seen without going through maps.
func (f *refill) alike(s *shape, c covering, dst, src unsafe.Pointer, depth int) bool {
	if depth > mostAlike {
		return true
	}
	switch s.kind {
	case reflect.String:
		return *(*string)(dst) == *(*string)(src)
	case reflect.Pointer:
		d, o := *(*unsafe.Pointer)(dst), *(*unsafe.Pointer)(src)
		if d == nil || o == nil {
			return d == o
		}
		return s.elem == nil || f.alike(s.elem, c.inner(), d, o, depth+1)
	case reflect.Map:
		return (*(*unsafe.Pointer)(dst) == nil) == (*(*unsafe.Pointer)(src) == nil)
	case reflect.Slice:
		d, o := *(*sliceHeader)(dst), *(*sliceHeader)(src)
		return (d.data == nil) == (o.data == nil)
	case reflect.Array:
		for i := range uintptr(s.len) {
			size := s.elem.typ.Size()
			if !f.alike(s.elem, c.inner(), unsafe.Add(dst, i*size), unsafe.Add(src, i*size), depth+1) {
				return false
			}
		}
	case reflect.Struct:
		for i := range s.fields {
			x := &s.fields[i]
			inDst, has := c.dst.field(x.name)
			inSrc, hadIt := c.src.field(x.name)
			if has && hadIt && !f.alike(x.shape, covering{inDst, inSrc}, unsafe.Add(dst, x.offset), unsafe.Add(src, x.offset), depth+1) {
				return false
			}
		}
	case stdKind:
		if k := codecOf(s.typ); k != nil {
			a, errA := k.marshal(dst)
			b, errB := k.marshal(src)
			return errA == nil && errB == nil && bytes.Equal(a, b)
		}
	case reflect.Interface, reflect.Func, reflect.Chan, reflect.UnsafePointer, lockKind:
	default: // numbers
		size := s.typ.Size()
		return bytes.Equal(unsafe.Slice((*byte)(dst), size), unsafe.Slice((*byte)(src), size))
	}
	return true
}

// entries walks through the entries that two maps have in common.
func (f *refill) entries(m meeting) {
	s := m.shape
	get, set := s.getter(m.dst), s.setter(m.dst)
	changes := f.copies && !f.lacksNothing(m.at.inner().dst)
	here := reflect.New(s.elem.typ) // reused: inline keeps neither address, as that of a mover doesn't
	d := here.UnsafePointer()
	s.entries(m.src, func(key, elem unsafe.Pointer) bool {
		f.step()
		here.Elem().SetZero()
		if f.mover.err == nil && get(key, d) {
			f.inline(s.elem, m.at.inner(), d, elem)
			if changes {
				set(key, d)
			}
		}
		return f.mover.err == nil
	})
}
