package inflight

import (
	"runtime"

	"github.com/sohost/sohost/generations"
)

// A Row belongs to one instance of a plugin. A nil *Row keeps nothing.
//
// Invariant: no two generations count in the same memory. An Acquire that was overtaken by a swap adds one to the counters of
// a generation that may have drained long ago, and takes it back. So the row is used again only when its generation is garbage:
// then no goroutine has it any more. TestReuse fails otherwise.
type Row struct {
	table *Table
	index int
	row   *row

	// Guarded by table.mu.
	inside   int  // the instance, until Release, and calls of the host's that have not returned
	counting bool // a generation has the counters
}

// NewGeneration returns a generation that counts its leases in the row, or in memory of its own if the row is nil. It is
// called at most once for each row.
func NewGeneration[T any](r *Row, id generations.ID, value T) *generations.Generation[T] {
	if r == nil {
		return generations.NewGeneration(id, value)
	}
	begin := page + r.index*r.table.rowSize + rowHeader
	end := begin + r.table.counters
	g := generations.NewCounted(generations.CountersIn(r.table.memory[begin:end:end]), id, value)
	r.table.mu.Lock()
	defer r.table.mu.Unlock()
	r.counting = true
	runtime.AddCleanup(g, (*Row).collected, r)
	return g
}

// collected is called when the row's generation is garbage.
func (r *Row) collected() {
	r.table.mu.Lock()
	defer r.table.mu.Unlock()
	r.counting = false
	r.reuseLocked()
}

// Enter notes that the host calls the plugin's code, and returns what notes that it has returned. That may be long after
// Release, if the host has given the call up.
func (r *Row) Enter(s Step) (leave func()) {
	if r == nil {
		return func() {}
	}
	r.table.mu.Lock()
	defer r.table.mu.Unlock()
	if r.inside == 0 { // it is another one's by now
		return func() {}
	}
	r.inside++
	r.row.inside[s].Add(1)
	return func() {
		r.row.inside[s].Add(-1)
		r.Release()
	}
}

// SetBackground notes whether the instance has work in the background.
func (r *Row) SetBackground(on bool) {
	if r == nil {
		return
	}
	r.table.mu.Lock()
	defer r.table.mu.Unlock()
	if r.inside == 0 {
		return
	}
	var n uint32
	if on {
		n = 1
	}
	r.row.background.Store(n)
}

// Release gives the row back, once the instance is closed and has no leases left. It is called once.
func (r *Row) Release() {
	if r == nil {
		return
	}
	r.table.mu.Lock()
	defer r.table.mu.Unlock()
	if r.inside--; r.inside == 0 {
		r.row.background.Store(0)
		r.row.state.Store(rowFree)
		r.reuseLocked()
	}
}

// reuseLocked lets the row be claimed again, if nobody has it any more. table.mu is held.
func (r *Row) reuseLocked() {
	if r.inside == 0 && !r.counting {
		r.table.free = append(r.table.free, r.index)
	}
}
