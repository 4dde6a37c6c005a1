package sohost

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
)

// checkpoint takes a checkpoint of a plugin, and returns its status afterwards.
func (r *rig) checkpoint(name string) (*CheckpointStatus, error) {
	r.w.t.Helper()
	p, err := r.plugin(name)
	if err != nil {
		r.w.t.Fatal(err)
	}
	err = p.checkpoint(r.w.t.Context())
	return r.pluginStatus(name).Checkpoint, err
}

// TestCheckpointStatus takes checkpoints that succeed, fail, and succeed again, and looks at the status and the history.
func TestCheckpointStatus(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1", "s1", "x1")
	if r.pluginStatus("s").Checkpoint != nil || r.pluginStatus("x").Checkpoint != nil {
		t.Error("a plugin without checkpoints has a status of them")
	}
	if s := r.pluginStatus("a").Checkpoint; s == nil || !s.Written.IsZero() || s.Failed != nil {
		t.Errorf("before the first: %s", mustJSON(t, s))
	}
	s, err := r.checkpoint("a")
	if err != nil || s.Bytes == 0 || !s.Verified || s.Took <= 0 || s.Held <= 0 || s.Held > s.Took || time.Since(s.Written) > time.Minute || s.Due.IsZero() {
		t.Errorf("the first: %v, %s", err, mustJSON(t, s))
	}
	dir := filepath.Join(w.store, "state")
	if err := errors.Join(os.Rename(dir, dir+"~"), os.WriteFile(dir, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		s, err = r.checkpoint("a")
		if err == nil || s.Failed == nil || s.Failed.Attempts != i+1 || !strings.Contains(s.Failed.Reason, "not a directory") || s.Bytes == 0 {
			t.Errorf("%v, %s", err, mustJSON(t, s))
		}
	}
	if !s.Failed.Since.Before(s.Failed.Last) {
		t.Errorf("since %v, last %v", s.Failed.Since, s.Failed.Last)
	}
	if err := errors.Join(os.Remove(dir), os.Rename(dir+"~", dir)); err != nil {
		t.Fatal(err)
	}
	if s, err = r.checkpoint("a"); err != nil || s.Failed != nil || !s.Verified {
		t.Errorf("%v, %s", err, mustJSON(t, s))
	}
	if e := r.history(generations.KindCheckpointFailed); len(e) != 1 || !strings.Contains(e[0].Detail, "the one before stays") {
		t.Errorf("the history has %+v", e)
	}
	if e := r.history(generations.KindCheckpoint); len(e) != 1 || e[0].Detail != "written again" {
		t.Errorf("the history has %+v", e)
	}
}

// TestCheckpointGivesUp has a state whose copy takes longer than callers may wait: the attempts become ever rarer, until one
// succeeds or another generation serves.
func TestCheckpointGivesUp(t *testing.T) {
	w := newWorld(t)
	w.file("v", "v1")
	o := w.options("v")
	o.CheckpointPause = time.Nanosecond
	r := w.host(o)
	r.hold(make([]any, 1000))
	for i := range 10 {
		s, err := r.checkpoint("v")
		if err == nil || s.Failed == nil || s.Failed.Attempts != i+1 || !strings.Contains(s.Failed.Reason, "1000 entries") ||
			!strings.Contains(s.Failed.Reason, "keep.Map") {
			t.Fatalf("%v, %s", err, mustJSON(t, s))
		}
		if pause := time.Until(s.Due); pause > o.CheckpointInterval<<min(i+1, 6) || pause < o.CheckpointInterval<<min(i+1, 6)-time.Minute {
			t.Errorf("after attempt %d the next is due in %v", i+1, pause)
		}
	}
	r.mustDeploy("v2")
	if s := r.pluginStatus("v").Checkpoint; time.Until(s.Due) > o.CheckpointInterval/soonShare {
		t.Errorf("after a reload the next is due in %v", time.Until(s.Due))
	}
	r.opts.CheckpointPause = time.Minute
	if s, err := r.checkpoint("v"); err != nil || s.Failed != nil || time.Until(s.Due) > o.CheckpointInterval {
		t.Errorf("%v, %s", err, mustJSON(t, s))
	}
}

// TestCheckpointBesideCall has a call that doesn't return. A checkpoint is given up, and the others' calls go on; it is taken
// when the call has returned. A plugin with nothing but a keep.Map gets one all the same, and so does one that says that calls
// needn't return.
func TestCheckpointBesideCall(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1", "k1", "e1")
	release := make(chan struct{})
	done := make(chan error, 3)
	for _, name := range []string{"a", "k", "e"} {
		entered := make(chan struct{})
		go func() {
			done <- r.Call(context.Background(), name, func(abi.Instance) error { close(entered); <-release; return nil })
		}()
		<-entered
	}
	s, err := r.checkpoint("a")
	if err == nil || s.Failed == nil || !strings.Contains(s.Failed.Reason, "1 calls have not returned") {
		t.Errorf("%v, %s", err, mustJSON(t, s))
	}
	r.wants("/a", "a1 1")
	a, _ := r.plugin("a")
	if due := a.checkpointDue(); time.Until(due) <= 0 || time.Until(due) > r.opts.CheckpointInterval/quietShare {
		t.Errorf("the plugin is looked at again in %v", time.Until(due))
	}
	for _, name := range []string{"k", "e"} {
		if s, err := r.checkpoint(name); err != nil || s.Held != 0 || !s.Verified {
			t.Errorf("%s: %v, %s", name, err, mustJSON(t, s))
		}
	}
	close(release)
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	eventually(t, "it is due at once", func() bool { return time.Until(a.checkpointDue()) <= 0 })
	if s, err := r.checkpoint("a"); err != nil || s.Failed != nil {
		t.Errorf("%v, %s", err, mustJSON(t, s))
	}
	if got := w.done("Stop"); strings.Contains(got, "k1") || strings.Contains(got, "e1") {
		t.Errorf("stopped: %s", got)
	}
}

// TestCheckpointDue finds when the first checkpoint of a process is due, by when the last one was written.
func TestCheckpointDue(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	p, _ := r.plugin("a")
	interval := r.opts.CheckpointInterval
	soon := interval / soonShare
	for name, c := range map[string]struct{ written, due time.Duration }{
		"just now":                {-time.Second, soon},
		"some time ago":           {-interval + time.Minute, time.Minute},
		"more than an interval":   {-2 * interval, 0},
		"the clock was set back":  {1000 * interval, soon},
		"the clock was set ahead": {-1000 * interval, 0},
	} {
		p.mu.Lock()
		p.checkpoints.status.Due, p.checkpoints.status.Written = time.Time{}, time.Now().Add(c.written)
		p.mu.Unlock()
		if due := time.Until(p.checkpointDue()); due > c.due || due < c.due-10*time.Second {
			t.Errorf("%s: due in %v, want %v", name, due, c.due)
		}
	}
	p.mu.Lock()
	p.checkpoints.status.Due, p.checkpoints.status.Written = time.Time{}, time.Time{}
	p.mu.Unlock()
	if due := time.Until(p.checkpointDue()); due > soon || due < soon-10*time.Second {
		t.Errorf("none yet: due in %v", due)
	}
}

// TestCheckpointOfNothing has a plugin without state that is due. It is put off, or the host would look at it all the time.
func TestCheckpointOfNothing(t *testing.T) {
	w := newWorld(t)
	r := w.boots("s1")
	p, _ := r.plugin("s")
	for _, calls := range []bool{false, true} { // of an earlier generation with state
		p.mu.Lock()
		p.checkpoints.status.Due, p.checkpoints.calls = time.Now().Add(-time.Second), calls
		p.mu.Unlock()
		r.dueSooner.up()
		eventually(t, "it is put off", func() bool { return time.Until(p.checkpointDue()) > r.opts.CheckpointInterval/2 })
	}
}

// TestCheckpointLost boots a plugin whose checkpoints are both damaged: it is said that the state is lost, until there is a new
// checkpoint.
func TestCheckpointLost(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	h, err := newHost(t.Context(), w.options("a"), w.loader())
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{h, w}
	for range 2 {
		if _, err := r.checkpoint("a"); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.cbor", "a.cbor.1"} {
		if err := os.WriteFile(filepath.Join(w.store, "state", name), []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r = w.host(w.options("a"))
	r.wants("/a", "a1 1")
	if s := r.pluginStatus("a").Checkpoint; !strings.Contains(s.Lost, "a.cbor.corrupt") || !strings.Contains(s.Lost, "a.cbor.1.corrupt") || s.Bytes != 0 {
		t.Errorf("the status is %s", mustJSON(t, s))
	}
	if e := r.history(generations.KindCheckpointFailed); len(e) != 1 || !strings.Contains(e[0].Detail, "a.cbor.corrupt") {
		t.Errorf("the history has %+v", e)
	}
	if s, err := r.checkpoint("a"); err != nil || s.Lost != "" {
		t.Errorf("%v, %s", err, mustJSON(t, s))
	}
}

// TestCheckpointNone lets the first checkpoint of a plugin fail, which has none before: neither log, history nor Close say that one stays.
func TestCheckpointNone(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	h, err := newHost(t.Context(), w.options("a"), w.loader())
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{h, w}
	w.fail("a1 Export", fails)
	if err := r.plugins()[0].checkpoint(t.Context()); err == nil {
		t.Fatal("a checkpoint has succeeded")
	}
	const none = "there is none before, so a restart loses the state"
	if e := r.history(generations.KindCheckpointFailed); len(e) != 1 || !strings.HasPrefix(e[0].Detail, none) {
		t.Errorf("the history has %+v", e)
	}
	if err := r.Close(t.Context()); err == nil || !strings.Contains(err.Error(), none) {
		t.Errorf("Close gives %v", err)
	}
	r = w.host(w.options("a"))
	w.fail("a1 Export", nil)
	if err := r.plugins()[0].checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.fail("a1 Export", fails)
	if r.plugins()[0].checkpoint(t.Context()) == nil {
		t.Fatal("a checkpoint has succeeded")
	}
	if e := r.history(generations.KindCheckpointFailed); !strings.HasPrefix(e[len(e)-1].Detail, "the one before stays: ") {
		t.Errorf("the history has %+v", e)
	}
	w.fail("a1 Export", nil)
}

// TestCheckpointWithoutLock writes no checkpoint and keeps no state while the store's lock is lost, and says so.
func TestCheckpointWithoutLock(t *testing.T) {
	w := newWorld(t)
	r := w.boots("a1")
	r.wants("/a", "a1 1")
	if err := os.Remove(filepath.Join(w.store, "lock")); err != nil {
		t.Fatal(err)
	}
	s, err := r.checkpoint("a")
	if !errors.Is(err, generations.ErrWrongLock) || s.Failed == nil || !strings.Contains(s.Failed.Reason, "another server may have taken the store") {
		t.Errorf("%v, %s", err, mustJSON(t, s))
	}
	if err := r.Close(t.Context()); !errors.Is(err, generations.ErrWrongLock) {
		t.Errorf("the end without the lock: %v", err)
	}
	if files, err := filepath.Glob(filepath.Join(w.store, "state", "*")); err != nil || len(files) > 0 {
		t.Errorf("written were %v, %v", files, err)
	}
}
