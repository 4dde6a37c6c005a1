package generations

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// line is where callers stand at a shut gate.
type line struct {
	shutAt  time.Time
	opened  chan struct{} // closed when the gate opens
	shutFor atomic.Int64  // nanoseconds; 0 while it is shut

	waiting, passed, timedOut, canceled atomic.Int64

	waits histogram
}

func newLine() *line { return &line{shutAt: time.Now(), opened: make(chan struct{})} }

func (l *line) open() {
	l.shutFor.Store(int64(max(time.Since(l.shutAt), 1)))
	close(l.opened)
}

func (l *line) stats() GateStats {
	st := GateStats{
		Shut:     time.Duration(l.shutFor.Load()),
		Waiting:  l.waiting.Load(),
		Passed:   l.passed.Load(),
		TimedOut: l.timedOut.Load(),
		Canceled: l.canceled.Load(),
		Max:      l.waits.max(),
		P50:      l.waits.quantile(0.50),
		P99:      l.waits.quantile(0.99),
	}
	if st.Shut == 0 {
		st.Shut = time.Since(l.shutAt)
	}
	return st
}

// waiter is one caller's patience. It counts from the first gate the caller meets, so that a slot that is gated again and
// again doesn't hold a caller longer than its limit.
type waiter struct {
	timer *time.Timer
}

// wait stands in the line until the gate opens, ctx ends or the caller has waited for limit.
func (w *waiter) wait(ctx context.Context, l *line, limit time.Duration) error {
	if w.timer == nil {
		w.timer = time.NewTimer(limit)
	}
	arrived := time.Now()
	l.waiting.Add(1)
	defer func() {
		l.waits.record(time.Since(arrived))
		l.waiting.Add(-1) // last, so that 0 says that all is recorded
	}()
	var err error
	var failed *atomic.Int64
	select {
	case <-l.opened:
		l.passed.Add(1)
		return nil
	case <-ctx.Done():
		err, failed = fmt.Errorf("acquire: wait at the gate: %w", context.Cause(ctx)), &l.canceled
	case <-w.timer.C:
		err, failed = &GateTimeoutError{Limit: limit}, &l.timedOut
	}
	// Select takes any case that is ready. A caller whom a busy machine runs late must not fail if the gate is open.
	select {
	case <-l.opened:
		l.passed.Add(1)
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
