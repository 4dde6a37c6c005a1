package generations

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// waiters are the callers at a shut gate.
type waiters struct {
	shutAt  time.Time
	opened  chan struct{} // closed when the gate opens
	idle    chan struct{} // has a message when the last caller may have gone since it was last received
	shutFor atomic.Int64  // nanoseconds; 0 while it is shut

	waiting, passed, timedOut, canceled atomic.Int64

	waits histogram
	all   *histogram // of all gates of the slot
}

func newWaiters(all *histogram) *waiters {
	return &waiters{shutAt: time.Now(), opened: make(chan struct{}), idle: make(chan struct{}, 1), all: all}
}

// release lets the callers go on, and returns how long they were held back.
func (ws *waiters) release() time.Duration {
	shut := max(time.Since(ws.shutAt), 1)
	ws.shutFor.Store(int64(shut))
	close(ws.opened)
	return shut
}

func (ws *waiters) stats() GateStats {
	st := GateStats{
		Shut:     time.Duration(ws.shutFor.Load()),
		Waiting:  ws.waiting.Load(),
		Passed:   ws.passed.Load(),
		TimedOut: ws.timedOut.Load(),
		Canceled: ws.canceled.Load(),
		Max:      ws.waits.max(),
		P50:      ws.waits.quantile(0.50),
		P99:      ws.waits.quantile(0.99),
	}
	if st.Shut == 0 {
		st.Shut = time.Since(ws.shutAt)
	}
	return st
}

// awaitIdle blocks until no caller waits, or ctx ends.
func (ws *waiters) awaitIdle(ctx context.Context) {
	for ws.waiting.Load() > 0 {
		select {
		case <-ws.idle:
		case <-ctx.Done():
			return
		}
	}
}

// A waiter limits how long one caller waits. The time counts from the first gate that the caller meets, so that a slot that
// is gated again and again doesn't hold a caller longer than the slot's limit.
type waiter struct {
	timer *time.Timer
}

// wait returns once the gate opens, ctx ends or the caller has waited for limit.
func (w *waiter) wait(ctx context.Context, ws *waiters, limit time.Duration) error {
	if w.timer == nil {
		w.timer = time.NewTimer(limit)
	}
	arrived := time.Now()
	ws.waiting.Add(1)
	defer func() {
		waited := time.Since(arrived)
		ws.waits.record(waited)
		ws.all.record(waited)
		if ws.waiting.Add(-1) == 0 { // last: once it is 0, everything is recorded
			select {
			case ws.idle <- struct{}{}:
			default:
			}
		}
	}()
	var err error
	var failed *atomic.Int64
	select {
	case <-ws.opened:
		ws.passed.Add(1)
		return nil
	case <-ctx.Done():
		err, failed = fmt.Errorf("acquire: wait at the gate: %w", context.Cause(ctx)), &ws.canceled
	case <-w.timer.C:
		err, failed = &GateTimeoutError{Limit: limit}, &ws.timedOut
	}
	// select picks any case that is ready. A caller that a busy machine runs late must not fail if the gate is open.
	select {
	case <-ws.opened:
		ws.passed.Add(1)
		return nil
	default:
		failed.Add(1)
		return err
	}
}

func (w *waiter) done() {
	if w.timer != nil {
		w.timer.Stop()
	}
}
