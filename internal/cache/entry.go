package cache

import (
	"container/list"
	"time"
)

// overhead is what an entry takes besides its key and value: the entry, its list element, its places in the map and in
// expiry, and the rounding up of allocations. TestOverheadIsReal measures it.
const overhead = 208

// entry is one value. All but use and position are written once, before the entry can be found.
type entry struct {
	key      string
	value    []byte
	size     int64
	expires  time.Time // zero: never
	use      *list.Element
	position int // in expiry; only while expires is set
}

func cost(key string, value []byte) int64 {
	return overhead + int64(len(key)) + int64(len(value))
}

func (e *entry) expired(now time.Time) bool {
	return !e.expires.IsZero() && !now.Before(e.expires)
}

// expiry is a heap of the entries that will expire, the next one first.
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
	(*x)[last] = nil // or the array would keep the value alive
	*x = (*x)[:last]
	return e
}
