package sinks

import (
	"log/slog"
	"sync"
	"time"
)

// account is what a sink tells of its rows.
type account struct {
	log *slog.Logger

	mu     sync.Mutex // guards status
	status Status
}

// Status implements Sink.
func (a *account) Status() Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.status
}

func (a *account) update(change func(*Status)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.status)
}

// failing notes that the target doesn't take rows. The first time since it did is logged, with what becomes of the rows.
func (a *account) failing(err error, rows string) {
	first := false
	a.update(func(st *Status) {
		if st.Attempts++; st.Failing.IsZero() {
			st.Failing, first = time.Now(), true
		}
		st.Error = err.Error()
	})
	if first {
		a.log.Warn("a sink fails: "+rows, "target", a.status.Target, "err", err)
	}
}

// What becomes of rows.
const (
	waitOnDisk = "its rows wait on disk"
	notTaken   = "Emit returns the error"
)

// stored notes rows that the target has.
func (a *account) stored(rows int) {
	var failing time.Time
	a.update(func(st *Status) {
		failing = st.Failing
		st.Stored += uint64(rows)
		st.Failing, st.Error, st.Attempts = time.Time{}, "", 0
	})
	if !failing.IsZero() {
		a.log.Info("a sink takes rows again", "target", a.status.Target, "after", time.Since(failing).Round(time.Second))
	}
}

// refused notes rows that the target will never take.
func (a *account) refused(rows int, first string, err error) {
	a.update(func(st *Status) {
		st.Refused += uint64(rows)
		st.Error = err.Error()
	})
	a.log.Error("a sink refuses rows: they are dropped", "target", a.status.Target, "rows", rows, "first", first[:min(len(first), 200)], "err", err)
}
