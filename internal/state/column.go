package state

import (
	"math/bits"
	"reflect"
	"unsafe"
)

// column holds copies of values of one type, numbered from 0, see deep.
type column struct {
	*deep
	chunks []unsafe.Pointer
	shift  int // a chunk has 1<<shift values
	len    int
}

// A chunk has at most so many bytes, or a single value: callers may wait while one is made.
const columnChunk = 64 << 10

func newColumn(d *deep) column {
	fit := columnChunk / max(d.size, 64)
	return column{deep: d, shift: bits.Len(uint(max(fit, 1))) - 1}
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
func (c *column) set(i int, p unsafe.Pointer) { c.copy(c.at(i), p) }

// equal reports whether value i == the one at p. Strings in them may be in different places.
func (c *column) equal(i int, p unsafe.Pointer) bool {
	return reflect.NewAt(c.typ, c.at(i)).Elem().Equal(reflect.NewAt(c.typ, p).Elem())
}

// is reports whether value i is the same as the one at p.
func (c *column) is(i int, p unsafe.Pointer) bool { return c.same(c.at(i), p) }
