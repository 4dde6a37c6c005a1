package state

import (
	"reflect"
	"unsafe"
)

// The entries of a large map, and the strings in them, lie all over the memory. To write one after the other is to wait for the
// memory each time. So entries are gathered, and then all their strings are touched: these reads don't depend on each other, so the
// processor has many under way at once.

const (
	leastGathered = 8 // fewer entries aren't worth the slices
	mostGathered  = 64
	gatheredBytes = 16 << 10 // of keys and elements
)

// gathered is like entries for a Go map of about so many entries, but visit gets many entries at a time: n keys and n elements, one
// after the other.
func (s *shape) gathered(p unsafe.Pointer, entries int, visit func(keys, elems unsafe.Pointer, n int) bool) {
	room := min(max(gatheredBytes/int(s.key.typ.Size()+s.elem.typ.Size()+1), 1), mostGathered, max(entries, 1))
	keys, elems := reflect.MakeSlice(reflect.SliceOf(s.key.typ), room, room), reflect.MakeSlice(reflect.SliceOf(s.elem.typ), room, room)
	it := reflect.NewAt(s.typ, unsafe.Pointer(&p)).Elem().MapRange()
	for more := true; more; {
		n := 0
		for ; n < room; n++ {
			if more = it.Next(); !more {
				break
			}
			keys.Index(n).SetIterKey(it)
			elems.Index(n).SetIterValue(it)
		}
		if n > 0 && !visit(keys.UnsafePointer(), elems.UnsafePointer(), n) {
			return
		}
	}
}

// entries writes the entries of a map that had n, and returns how many it has written.
func (e *encoder) entries(s *shape, p unsafe.Pointer, n int) (written int) {
	if s.kept || n < leastGathered { // a keep.Map's own code calls for each entry
		s.entries(p, func(key, elem unsafe.Pointer) bool {
			e.inline(s.key, key)
			e.inline(s.elem, elem)
			written++
			return e.err == nil
		})
		return written
	}
	inKeys, inElems := s.key.texts(0, nil), s.elem.texts(0, nil)
	s.gathered(p, n, func(keys, elems unsafe.Pointer, n int) bool {
		e.touch(inKeys, keys, s.key.typ.Size(), n)
		e.touch(inElems, elems, s.elem.typ.Size(), n)
		for i := range uintptr(n) {
			e.inline(s.key, unsafe.Add(keys, i*s.key.typ.Size()))
			e.inline(s.elem, unsafe.Add(elems, i*s.elem.typ.Size()))
		}
		written += n
		return e.err == nil
	})
	return written
}

// mostTexts is for how many strings of a value it is worth to look at them in advance.
const mostTexts = 8

// texts adds the offsets of the first strings in a value of the shape that begins at the offset at.
func (s *shape) texts(at uintptr, found []uintptr) []uintptr {
	switch {
	case len(found) == mostTexts:
	case s.kind == reflect.String:
		found = append(found, at)
	case s.kind == reflect.Struct:
		for _, f := range s.fields {
			found = f.shape.texts(at+f.offset, found)
		}
	}
	return found
}

// touch reads a little of each of n values' strings, and of where their numbers are looked for.
func (e *encoder) touch(offsets []uintptr, values unsafe.Pointer, size uintptr, n int) {
	for _, at := range offsets {
		for i := range uintptr(n) {
			s := *(*string)(unsafe.Add(values, i*size+at))
			if len(s) > 0 {
				e.touched += s[0] + s[len(s)-1]
			}
			if len(s) >= sharedText {
				e.touched += e.texts.touch(textSpan(s))
			}
		}
	}
}
