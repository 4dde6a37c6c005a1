package state

import (
	"fmt"
	"reflect"
	"strings"
	"unsafe"
)

// object returns the copy of what a pointer or slice refers to, and makes it if this is the first reference.
func (m *mover) object(o *op, p unsafe.Pointer, n int) unsafe.Pointer {
	slice := o.code == opSlice
	var i int
	var met bool
	if slice {
		m.entries += int64(n)
		i, met = m.memo.slice(m.kind(o), p, n)
	} else {
		i, met = m.memo.pointer(m.kind(o), p)
	}
	if met {
		return m.made[i]
	}
	made := m.alloc(o.to.object, n, o.elem.code == opBytes)
	m.made = append(m.made, made)
	if n > 0 {
		m.queue = append(m.queue, fill{o, p, made, n})
		m.extents.add(p, uintptr(n)*o.from.object.Size(), slice, o)
	}
	return made
}

func (m *mover) mapping(o *op, p unsafe.Pointer) unsafe.Pointer {
	i, met := m.memo.pointer(m.kind(o), p)
	if met {
		return m.made[i]
	}
	if snapshot, ok := m.begin(o, p); ok {
		m.made = append(m.made, snapshot)
		return snapshot
	}
	n := o.from.mapLen(p)
	m.entries += int64(n)
	if m.err == nil && m.clock.hopelessMap(n) {
		m.overdue()
	}
	room := 0
	if m.take(o.to.mapMemory(n)) {
		entry := int64(o.to.key.typ.Size() + o.to.elem.typ.Size() + 1)
		room = int(min(int64(n), m.clock.piece()/8/entry)) // beyond that it grows, in small steps
	}
	made := o.to.makeMap(room)
	m.made = append(m.made, made)
	m.maps = append(m.maps, fill{o, p, made, n})
	m.extents.add(p, 1, false, o)
	return made
}

func (m *mover) kind(o *op) *memoOf {
	k := m.kinds[o]
	if k == nil {
		k = m.memo.kind(o.from.object, o.to.object)
		m.kinds[o] = k
	}
	return k
}

// take counts memory that is about to be allocated, and reports whether it is within the limit. Beyond the limit the move has
// failed.
func (m *mover) take(bytes int64) bool {
	m.bytes += bytes
	if m.limit > 0 && m.bytes > m.limit && m.err == nil {
		m.err = fmt.Errorf("%w: the copy takes more than %d bytes", ErrLimit, m.limit)
	}
	if m.err == nil && m.clock.hopeless(bytes) {
		m.overdue()
	}
	return m.err == nil
}

// alloc returns memory for n values of type t, which are plain bytes or hold pointers. Plain bytes, if they are many, aren't
// cleared: all of them are written, or the move fails. The result is nil if the move has failed.
func (m *mover) alloc(t reflect.Type, n int, plain bool) unsafe.Pointer {
	bytes := int64(n) * int64(t.Size())
	switch {
	case !m.take(bytes):
		return nil
	case plain && bytes > pieceBytes:
		return uncleared(int(bytes))
	case bytes > m.clock.piece():
		m.overdue()
		return nil
	case n == 1:
		return reflect.New(t).UnsafePointer()
	}
	return reflect.MakeSlice(reflect.SliceOf(t), n, n).UnsafePointer()
}

// uncleared returns n bytes of memory for values without pointers, whatever it held before. Clearing them would take as long as
// copying, in one go. As it is more than a page, it is aligned for any type.
func uncleared(n int) unsafe.Pointer {
	var b strings.Builder // the one thing in the standard library that hands out such memory
	b.Grow(n)
	b.WriteByte(0)
	return unsafe.Pointer(unsafe.StringData(b.String()))
}
