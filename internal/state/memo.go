package state

import (
	"reflect"
	"unsafe"
)

// memo numbers objects in the order in which they are first seen. Objects of different types are different objects even at the
// same address, and so are slices of different lengths. memo holds addresses as numbers, which the garbage collector
// ignores; its user keeps the objects alive.
type memo struct {
	of   map[[2]reflect.Type]*memoOf
	size int
}

type memoOf struct {
	single map[uintptr]int // targets of pointers, and maps
	slices map[span]int
}

type span struct {
	p uintptr
	n int
}

// kind returns the numbers of objects of type from that become objects of type to.
func (m *memo) kind(from, to reflect.Type) *memoOf {
	at := [2]reflect.Type{from, to}
	k := m.of[at]
	if k == nil {
		k = &memoOf{map[uintptr]int{}, map[span]int{}}
		if m.of == nil {
			m.of = map[[2]reflect.Type]*memoOf{}
		}
		m.of[at] = k
	}
	return k
}

// pointer returns an object's number, counted from 0, and reports whether it was seen before.
func (m *memo) pointer(k *memoOf, p unsafe.Pointer) (int, bool) {
	i, ok := k.single[uintptr(p)]
	if !ok {
		i = m.size
		m.size++
		k.single[uintptr(p)] = i
	}
	return i, ok
}

// slice is like pointer for the n elements of a slice.
func (m *memo) slice(k *memoOf, p unsafe.Pointer, n int) (int, bool) {
	at := span{uintptr(p), n}
	i, ok := k.slices[at]
	if !ok {
		i = m.size
		m.size++
		k.slices[at] = i
	}
	return i, ok
}
