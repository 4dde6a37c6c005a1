package state

import (
	"math/bits"
	"reflect"
	"unsafe"
)

// column holds copies of values of one type, numbered from 0. They are as flat as an assignment makes them, and keep alive what they
// refer to.
type column struct {
	typ      reflect.Type
	size     uintptr
	pointers []uintptr // where in a value they are
	chunks   []unsafe.Pointer
	shift    int // a chunk has 1<<shift values
	len      int
}

// A chunk has at most so many bytes, or a single value: callers may wait while one is made.
const columnChunk = 64 << 10

func newColumn(t reflect.Type) column {
	fit := columnChunk / max(t.Size(), 64)
	return column{typ: t, size: t.Size(), pointers: pointerWords(t, 0, nil), shift: bits.Len(uint(max(fit, 1))) - 1}
}

// pointerWords adds where in a value of type t that begins at the offset at the garbage collector sees pointers.
func pointerWords(t reflect.Type, at uintptr, found []uintptr) []uintptr {
	switch t.Kind() {
	case reflect.String, reflect.Pointer, reflect.UnsafePointer:
		return append(found, at)
	case reflect.Array:
		for i := range uintptr(t.Len()) {
			found = pointerWords(t.Elem(), at+i*t.Elem().Size(), found)
		}
	case reflect.Struct:
		for f := range t.Fields() {
			found = pointerWords(f.Type, at+f.Offset, found)
		}
	}
	return found
}

// at returns where value i is.
func (c *column) at(i int) unsafe.Pointer {
	return unsafe.Add(c.chunks[i>>c.shift], uintptr(i&(1<<c.shift-1))*c.size)
}

// grow adds a value, which is to be set.
func (c *column) grow() {
	if c.len == len(c.chunks)<<c.shift {
		c.chunks = append(c.chunks, reflect.MakeSlice(reflect.SliceOf(c.typ), 1<<c.shift, 1<<c.shift).UnsafePointer())
	}
	c.len++
}

// add adds a copy of the value at p.
func (c *column) add(p unsafe.Pointer) {
	c.grow()
	c.set(c.len-1, p)
}

// set makes value i a copy of the one at p.
func (c *column) set(i int, p unsafe.Pointer) {
	to, at := c.at(i), uintptr(0)
	for _, word := range c.pointers { // the garbage collector must see them assigned
		copyBytes(to, p, at, word)
		*(*unsafe.Pointer)(unsafe.Add(to, word)) = *(*unsafe.Pointer)(unsafe.Add(p, word))
		at = word + wordSize
	}
	copyBytes(to, p, at, c.size)
}

// equal reports whether value i == the one at p. Strings in them may be in different places.
func (c *column) equal(i int, p unsafe.Pointer) bool {
	return reflect.NewAt(c.typ, c.at(i)).Elem().Equal(reflect.NewAt(c.typ, p).Elem())
}

func copyBytes(to, from unsafe.Pointer, start, end uintptr) {
	if start < end {
		copy(unsafe.Slice((*byte)(unsafe.Add(to, start)), end-start), unsafe.Slice((*byte)(unsafe.Add(from, start)), end-start))
	}
}

// same reports whether value i is, byte by byte, the one at p. Since the column keeps alive what its values refer to, pointers that are
// equal then refer to the same.
func (c *column) same(i int, p unsafe.Pointer) bool {
	return unsafe.String((*byte)(c.at(i)), c.size) == unsafe.String((*byte)(p), c.size)
}
