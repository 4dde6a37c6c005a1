package triggers

import (
	"context"
	"time"

	"github.com/sohost/sohost/abi"
)

// Backlog has the writes that were acknowledged, in the order of their numbers, until no trigger needs them any more.
type Backlog interface {
	// End returns a number that no write so far exceeds and every later one does.
	End() uint64

	// Read returns a reader of the writes after a number.
	Read(after uint64) BacklogReader

	// Release says that no trigger needs the writes up to a number any more.
	Release(upTo uint64) error

	// Crowded reports whether it should be released soon, because writes will have to be refused.
	Crowded() bool

	// Close ends it. What was acknowledged stays for the next process.
	Close() error
}

// BacklogReader reads the writes of a Backlog one after the other. It is for one goroutine.
type BacklogReader interface {
	// Next waits for the next write until ctx ends.
	Next(ctx context.Context) (Acknowledged, error)
	Close() error
}

// Acknowledged is one write of a Backlog. Its tables are shared and never changed.
type Acknowledged struct {
	Seq      uint64 // its number
	Database string
	Received time.Time
	Tables   []abi.Table
}

// unreadPause is how long a trigger waits after its backlog could not be read, or what is in it not be put aside.
const unreadPause = time.Second

// feed puts writes from the backlog into the trigger's queue until the trigger is removed or the engine ends.
func (t *trigger) feed() {
	e := t.engine
	for {
		e.mu.Lock()
		if t.removed || e.phase == ended {
			e.mu.Unlock()
			return
		}
		ctx, cancel := context.WithCancel(e.calls)
		t.unfeed = cancel
		after := t.read
		e.mu.Unlock()
		err := t.follow(ctx, after)
		if ctx.Err() == nil {
			e.mu.Lock()
			t.unread = err.Error()
			e.mu.Unlock()
			e.o.Logger.Error("trigger: acknowledged writes can't be read or put aside: they stay on disk, and are tried again", "plugin", t.key.Plugin, "trigger", t.Name, "err", err)
			pauseFor(ctx, unreadPause)
		}
		cancel()
	}
}

// follow feeds the trigger with the writes after a number, until ctx ends or there is an error.
func (t *trigger) follow(ctx context.Context, after uint64) error {
	r := t.engine.o.Backlog.Read(after)
	defer r.Close()
	for {
		w, err := r.Next(ctx)
		if err == nil {
			err = t.take(ctx, w)
		}
		if err != nil {
			return err
		}
	}
}

// take puts one write into the queue as soon as there is room for what the trigger wants of it.
func (t *trigger) take(ctx context.Context, w Acknowledged) error {
	it := item{database: w.Database, seq: w.Seq, since: w.Received, tables: w.Tables}
	if t.spec.Table != "" {
		it.tables, _, _ = t.view(w.Tables)
	}
	it.rows, it.bytes = measure(it.tables)
	t.putting.Lock()
	defer t.putting.Unlock()
	t.engine.mu.Lock()
	defer t.engine.mu.Unlock()
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		t.unread = ""
		turned := t.engine.turned
		switch {
		case len(it.tables) == 0:
			t.passLocked(w.Seq)
			return nil
		case t.disabled != "" && w.Seq <= t.aside && t.engine.phase != running: // the next process puts it aside, and once
		case t.disabled != "" && w.Seq <= t.aside:
			return t.putAsideLocked(ctx, &it)
		case t.disabled != "":
			t.PassedBy++
			t.passLocked(w.Seq)
			return nil
		case len(t.queue) == 0 || t.rows+it.rows <= t.QueueRows && t.bytes+it.bytes <= t.QueueBytes:
			t.read = w.Seq
			t.pushLocked(it)
			return nil
		}
		t.engine.mu.Unlock()
		t.putting.Unlock()
		select {
		case <-t.room:
		case <-turned:
		case <-ctx.Done():
		}
		t.putting.Lock()
		t.engine.mu.Lock()
	}
}

// putAsideLocked puts a write aside that was acknowledged before the trigger was disabled. As long as it can't, the write stays in the
// backlog.
func (t *trigger) putAsideLocked(ctx context.Context, it *item) error {
	letter := Letter{Time: time.Now(), Error: t.disabled}.of(it)
	t.shelving++
	t.engine.mu.Unlock()
	err := t.letters.write(letter, held)
	t.engine.mu.Lock()
	t.shelving--
	t.engine.tellLocked()
	if err == nil && ctx.Err() == nil {
		t.passLocked(it.seq)
	}
	return err
}

// passLocked notes that a write was read which the plugin isn't called for.
func (t *trigger) passLocked(seq uint64) {
	t.read = seq
	if t.pending == 0 {
		t.reachLocked(seq)
	}
}

// reachLocked notes that all writes up to a number are handled.
func (t *trigger) reachLocked(seq uint64) {
	if seq > t.cursor {
		t.cursor = seq
		t.engine.changedLocked()
	}
}

// rewindLocked has the backlog read again after a number, and takes out of the queue what came from it. A call that is made for some of
// that goes on unless it hasn't reached the plugin; then it isn't made.
func (t *trigger) rewindLocked(after uint64) {
	var rest []item
	for i := range t.queue {
		if it := &t.queue[i]; it.seq == 0 || i == 0 && t.reached {
			rest = append(rest, *it)
		}
	}
	t.setQueueLocked(rest)
	t.era++
	t.read = after
	t.unfeed()
	t.roomLeft()
}

// setQueueLocked replaces the queue.
func (t *trigger) setQueueLocked(items []item) {
	t.queue, t.rows, t.bytes, t.pending = items, 0, 0, 0
	for i := range items {
		t.countLocked(&items[i], 1)
	}
}

// countLocked counts an item that comes or goes.
func (t *trigger) countLocked(it *item, by int) {
	t.rows += by * it.rows
	t.bytes += int64(by) * it.bytes
	if it.seq != 0 {
		t.pending += by
	}
}

// roomLeft has feed look whether there is room in the queue.
func (t *trigger) roomLeft() {
	select {
	case t.room <- struct{}{}:
	default:
	}
}

// measure returns the rows of tables, and about how many bytes they take.
func measure(tables []abi.Table) (rows int, bytes int64) {
	for i := range tables {
		rows, bytes = rows+rowsOf(&tables[i]), bytes+sizeOf(&tables[i])
	}
	return rows, bytes
}

// pauseFor waits for a time, or until ctx ends.
func pauseFor(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
