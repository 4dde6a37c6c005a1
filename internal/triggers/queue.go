package triggers

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sohost/sohost/abi"
)

// item is what one write has for one trigger, or a letter that is delivered again.
type item struct {
	database string
	seq      uint64 // of a write of the backlog; 0 if it is none
	tables   []abi.Table
	rows     int
	bytes    int64
	since    time.Time

	of     *Delivery // nil for a letter
	letter string    // the file that it came from
	replay chan<- error
}

// A Delivery is one write on its way to the plugins.
type Delivery struct {
	left atomic.Int64 // triggers that have not handled it, and Deliver while that runs
	err  error        // set before done is closed
	done chan struct{}
}

// Done returns a channel that is closed when every trigger has handled the write, its error policy included, or the engine has ended.
// Only then may the tables be changed.
func (d *Delivery) Done() <-chan struct{} { return d.done }

// Err returns nil if every trigger has handled the write. It may be called once Done is closed.
func (d *Delivery) Err() error { return d.err }

// doneLocked notes that a trigger has handled it, or why it can't.
func (d *Delivery) doneLocked(err error) {
	if d == nil {
		return
	}
	if err != nil {
		d.err = err
	}
	if d.left.Add(-1) == 0 {
		close(d.done)
	}
}

// Deliver puts the tables of a write into the queues of all triggers that want some of them, or, if one has no room, into none. The tables
// must stay as they are until Delivery.Done.
//
// Deliver waits while the triggers are paused, until ctx ends. The error matches ErrFull, or is that of the engine's end.
func (e *Engine) Deliver(ctx context.Context, database string, tables []abi.Table) (*Delivery, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for e.phase != running {
		if e.phase == ended {
			return nil, e.why
		}
		turned := e.turned
		e.mu.Unlock()
		select {
		case <-turned:
		case <-ctx.Done():
		}
		e.mu.Lock()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	rows, bytes := measure(tables)
	for _, t := range e.writers {
		if t.disabled == "" && t.wants(tables) && !t.roomLocked(rows, bytes, tables) {
			t.Refused++
			return nil, fmt.Errorf("%w: %s has %d rows", ErrFull, t.key, t.rows)
		}
	}
	d := &Delivery{done: make(chan struct{})}
	d.left.Store(1)
	now := time.Now()
	for _, t := range e.writers {
		if !t.wants(tables) {
			continue
		}
		if t.disabled != "" {
			t.PassedBy++
			continue
		}
		it := item{database: database, tables: tables, rows: rows, bytes: bytes, since: now, of: d}
		if t.spec.Table != "" {
			it.tables, it.rows, it.bytes = t.view(tables)
		}
		d.left.Add(1)
		t.pushLocked(it)
	}
	d.doneLocked(nil)
	return d, nil
}

// Wants reports whether a write is for any trigger, also one that is disabled.
func (e *Engine) Wants(tables []abi.Table) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(e.writers, func(t *trigger) bool { return t.wants(tables) })
}

// wants reports whether a write is for the trigger.
func (t *trigger) wants(tables []abi.Table) bool {
	return len(tables) > 0 && (t.spec.Table == "" || has(tables, t.spec.Table))
}

func has(tables []abi.Table, name string) bool {
	for i := range tables {
		if tables[i].Name == name {
			return true
		}
	}
	return false
}

// roomLocked reports whether there is room for the part of a write that the trigger wants. An empty queue has room for anything.
func (t *trigger) roomLocked(rows int, bytes int64, tables []abi.Table) bool {
	if len(t.queue) == 0 {
		return true
	}
	if t.spec.Table != "" {
		rows, bytes = 0, 0
		for i := range tables {
			if tables[i].Name == t.spec.Table {
				rows, bytes = rows+rowsOf(&tables[i]), bytes+sizeOf(&tables[i])
			}
		}
	}
	return t.rows+rows <= t.QueueRows && t.bytes+bytes <= t.QueueBytes
}

// view returns the tables of a write that the trigger wants.
func (t *trigger) view(tables []abi.Table) (view []abi.Table, rows int, bytes int64) {
	for i := range tables {
		if tables[i].Name == t.spec.Table {
			view, rows, bytes = append(view, tables[i]), rows+rowsOf(&tables[i]), bytes+sizeOf(&tables[i])
		}
	}
	return view, rows, bytes
}

func (t *trigger) pushLocked(it item) {
	t.queue = append(t.queue, it)
	t.countLocked(&it, 1)
	t.nudge()
}

// popLocked removes an item, which is handled, or fails with err.
func (t *trigger) popLocked(i int, err error) {
	it := t.queue[i]
	t.queue[i] = item{}
	if i == 0 {
		t.queue = t.queue[1:]
	} else {
		t.queue = slices.Delete(t.queue, i, i+1)
	}
	t.countLocked(&it, -1)
	t.roomLeft()
	switch {
	case err != nil || it.seq == 0:
	case t.pending == 0:
		t.reachLocked(max(it.seq, t.read))
	default:
		t.reachLocked(it.seq)
	}
	it.of.doneLocked(err)
	if it.replay != nil {
		it.replay <- err // has room for one
	}
}

// volatileLocked reports whether a writer waits for what is in the queue.
func (t *trigger) volatileLocked() bool {
	for i := range t.queue {
		if t.queue[i].volatile() {
			return true
		}
	}
	return false
}

// volatile reports whether the item is none of the backlog: a writer waits for it, or it is a letter. A time has none.
func (it *item) volatile() bool { return it != nil && it.seq == 0 }

// rowsOf returns the number of a table's rows.
func rowsOf(t *abi.Table) int {
	if len(t.Times) > 0 || len(t.Columns) == 0 {
		return len(t.Times)
	}
	c := &t.Columns[0]
	return max(len(c.Ints), len(c.Uints), len(c.Floats), len(c.Bools), len(c.Strings))
}

// sizeOf returns about how many bytes a table's rows take.
func sizeOf(t *abi.Table) (n int64) {
	n = 8 * int64(len(t.Times))
	for i := range t.Columns {
		c := &t.Columns[i]
		n += 8*int64(len(c.Ints)+len(c.Uints)+len(c.Floats)+len(c.Absent)+2*len(c.Strings)) + int64(len(c.Bools))
		for _, s := range c.Strings {
			n += int64(len(s))
		}
	}
	return n
}
