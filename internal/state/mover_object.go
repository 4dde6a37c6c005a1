package state

import (
	"fmt"
	"reflect"
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
	made := m.alloc(o.to.object, n)
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
	room := n
	if !m.take(o.to.mapMemory(n)) {
		room = 0
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
// failed: what is allocated from then on is never filled.
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

func (m *mover) alloc(t reflect.Type, n int) unsafe.Pointer {
	if !m.take(int64(n)*int64(t.Size())) || n == 1 {
		return reflect.New(t).UnsafePointer()
	}
	return reflect.MakeSlice(reflect.SliceOf(t), n, n).UnsafePointer()
}
