package cache

import (
	"container/list"
	"time"
)

// overhead is the number of bytes that an entry takes besides its key and value: the entry, its list element, its places in the
// map and in expiry, and rounded-up allocations. TestOverheadIsReal measures it.
const overhead = 208

// entry is one value. All fields except use and position are written only once, before the entry is in the map.
type entry struct {
	key      string
	value    []byte
	size     int64
	expires  time.Time // zero means never
	use      *list.Element
	position int // in expiry, if expires is set
}

func cost(key string, value []byte) int64 {
	return overhead + int64(len(key)) + int64(len(value))
}

func (e *entry) expired(now time.Time) bool {
	return !e.expires.IsZero() && !now.Before(e.expires)
}

// expiry is a heap of the entries that expire, the next one first.
type expiry []*entry

func (x expiry) Len() int           { return len(x) }
func (x expiry) Less(i, j int) bool { return x[i].expires.Before(x[j].expires) }

func (x expiry) Swap(i, j int) {
	x[i], x[j] = x[j], x[i]
	x[i].position, x[j].position = i, j
}

func (x *expiry) Push(e any) {
	e.(*entry).position = len(*x)
	*x = append(*x, e.(*entry))
}

func (x *expiry) Pop() any {
	last := len(*x) - 1
	e := (*x)[last]
	(*x)[last] = nil // otherwise the array would keep the value alive
	*x = (*x)[:last]
	return e
}
