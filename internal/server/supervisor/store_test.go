package supervisor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/crash"
	"github.com/sohost/sohost/internal/server/control"
	"golang.org/x/sys/unix"
)

// inode returns the number of the file at a path.
func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		t.Fatal(err)
	}
	return stat.Ino
}

// TestLockRemoved removes the store's lock. The server takes a new one, and hands over to a worker that has it.
func TestLockRemoved(t *testing.T) {
	st := newStage(t, func(_ *Options, l *limits) { l.last, l.relock = 0, never })
	giver := st.start()
	lock := filepath.Join(st.dir, "lock")
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	taker := st.worker()
	if g := giver.give(); g.Why != "the store's lock was renewed" {
		t.Errorf("the worker is told %+v", g)
	}
	if want := inode(t, lock); taker.began.Lock != want || giver.began.Lock == want {
		t.Errorf("the workers have the locks %d and %d, want the new one to have %d", giver.began.Lock, taker.began.Lock, want)
	}
	if _, err := generations.AcquireLock(t.Context(), st.dir); err == nil {
		t.Error("another server can take the store")
	}
	if s := st.status(); !strings.Contains(s.StoreFault, "publishes nothing until a handover") {
		t.Errorf("the status says %q", s.StoreFault)
	}
	taker.serve(2)
	giver.given(taker)
	st.await(func(s control.Status) bool { return s.StoreFault == "" })
}

// TestLockTaken lets another server take the store whose lock was removed. This one goes on serving, and says so.
func TestLockTaken(t *testing.T) {
	st := newStage(t, func(_ *Options, l *limits) { l.beat = never })
	p := st.start()
	if err := os.Remove(filepath.Join(st.dir, "lock")); err != nil {
		t.Fatal(err)
	}
	other, err := generations.AcquireLock(t.Context(), st.dir)
	if err != nil {
		t.Fatal(err)
	}
	st.s.mu.Lock()
	current := st.s.current
	st.s.mu.Unlock()
	if wish := st.s.watchStore(current); wish != nil {
		t.Errorf("it wants %+v", wish)
	}
	if s := st.status(); !strings.Contains(s.StoreFault, "this server publishes nothing") || s.Worker.PID != p.pid {
		t.Errorf("the status says %q", s.StoreFault)
	}
	if err := st.s.findStore(); err == nil {
		t.Error("a worker could boot from it")
	}
	other.Close()
	if err := st.s.findStore(); err != nil {
		t.Errorf("after the other one's end: %v", err)
	}
}

// TestStoreGone takes the store away while a worker serves. It isn't made anew before a worker must boot.
func TestStoreGone(t *testing.T) {
	st := newStage(t, func(_ *Options, l *limits) { l.beat = never })
	st.start()
	st.s.mu.Lock()
	current := st.s.current
	st.s.mu.Unlock()
	away := st.dir + "-away"
	if err := os.Rename(st.dir, away); err != nil {
		t.Fatal(err)
	}
	st.s.watchStore(current)
	if fault := st.s.storeFault; !strings.Contains(fault, st.dir+" is gone") {
		t.Errorf("the fault is %q", fault)
	}
	if _, err := os.Lstat(st.dir); !os.IsNotExist(err) {
		t.Errorf("the store is made anew: %v", err)
	}
	if err := os.Rename(away, st.dir); err != nil {
		t.Fatal(err)
	}
	if st.s.watchStore(current); st.s.storeFault != "" {
		t.Errorf("with the store back the fault is %q", st.s.storeFault)
	}
	if err := os.Rename(st.dir, away); err != nil {
		t.Fatal(err)
	}
	if err := st.s.findStore(); err != nil || st.s.storeFault != "" {
		t.Errorf("for a new worker: %v, %q", err, st.s.storeFault)
	}
	if err := os.RemoveAll(st.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(away, st.dir); err != nil {
		t.Fatal(err)
	}
	st.s.findStore()
}

// TestKept keeps the newest crashes, also while the clock goes backwards.
func TestKept(t *testing.T) {
	st := newStage(t, nil)
	now := time.Now()
	var last string
	for i := range keptCrashes + 5 {
		file, err := st.s.keep(&crash.Report{PID: i, Ended: now.Add(-time.Duration(i) * time.Hour), Output: "stack"})
		if err != nil {
			t.Fatal(err)
		}
		last = file
	}
	kept, err := keptFiles(filepath.Join(st.dir, "crashes"))
	if err != nil || len(kept) != keptCrashes || kept[len(kept)-1] != last {
		t.Errorf("kept are %q, %v, and the last was %s", kept, err, last)
	}
	if n := keptNumber("20261126T192845.587-31611.txt"); n != 0 {
		t.Errorf("a file from before has number %d", n)
	}
}

// TestClockSet has an adopted worker answer while the clock is set. It doesn't hang.
func TestClockSet(t *testing.T) {
	p := &process{started: time.Now().Add(-time.Hour).Round(0), watched: time.Now(), pings: make(chan uint64, 1)}
	p.ping(1)
	p.started = p.started.Add(-24 * time.Hour) // what a clock that is set looks like to a time without a monotonic clock
	if silent := p.silence(); silent > time.Minute || silent < 0 {
		t.Errorf("it has owed an answer for %v", silent)
	}
}
