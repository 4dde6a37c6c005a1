package state

import (
	"reflect"
	"unsafe"
)

// memo numbers objects in the order in which they are met. Objects of different types are told apart though they may begin
// at the same address, and so are slices of different lengths. It holds addresses as numbers, which the garbage collector
// needn't look at; whoever uses it keeps the objects alive.
type memo struct {
	of   map[[2]reflect.Type]*memoOf
	size int
}

type memoOf struct {
	single map[uintptr]int // what pointers point to, and maps
	slices map[span]int
}

type span struct {
	p uintptr
	n int
}

// kind is for objects of one type that become objects of another.
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

// pointer and slice give an object's number, counted from 0, and whether it was met before.
func (m *memo) pointer(k *memoOf, p unsafe.Pointer) (int, bool) {
	i, ok := k.single[uintptr(p)]
	if !ok {
		i = m.size
		m.size++
		k.single[uintptr(p)] = i
	}
	return i, ok
}

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
