package sohost

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/backlog"
	"github.com/sohost/sohost/internal/lineprotocol"
)

// adder is the plugin of images that begin with w: its state is the number of the writes that it was called with. It doubles what is in
// columns of floats, into others.
type adder struct {
	*stateful
	doubled []float64
}

func (a *adder) HandleBatch(_ context.Context, b *abi.Batch) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.count == nil {
		a.count = &count{}
	}
	a.count.N++
	for _, t := range b.Tables {
		for _, c := range t.Columns {
			a.doubled = a.doubled[:0]
			for _, v := range c.Floats {
				a.doubled = append(a.doubled, 2*v)
			}
		}
	}
	return nil
}

// keepsWrites has the processes of the world acknowledge writes by a backlog in its store.
func (w *world) keepsWrites() {
	w.backlog = func() Backlog {
		l, err := backlog.Open(backlog.Options{Dir: filepath.Join(w.store, "writes"), Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			w.t.Fatal(err)
		}
		return l
	}
}

// acknowledges appends writes to the host's backlog, and waits until its plugin has handled all.
func (r *rig) acknowledges(n int) {
	r.w.t.Helper()
	for range n {
		err := r.opts.Backlog.(*backlog.Log).Append(backlog.Write{
			Database: "db", Precision: lineprotocol.Nanosecond, Received: time.Now(), Text: []byte("x v=1i 1\n"),
			Tables: lineprotocol.Parse([]byte("x v=1i 1\n"), lineprotocol.Options{Precision: lineprotocol.Nanosecond}).Tables,
		})
		if err != nil {
			r.w.t.Fatal(err)
		}
	}
	r.handles()
}

// handles waits until the plugin w has handled all of the backlog.
func (r *rig) handles() {
	r.w.t.Helper()
	end := r.opts.Backlog.End()
	eventually(r.w.t, "all is handled", func() bool { return r.triggers.Positions("w")["write-all"] >= end })
}

// counted returns the state of the plugin w.
func (r *rig) counted() (n int) {
	r.w.t.Helper()
	err := r.Call(r.w.t.Context(), "w", func(i abi.Instance) error {
		a := i.(*adder)
		a.mu.Lock()
		defer a.mu.Unlock()
		n = a.count.N
		return nil
	})
	if err != nil {
		r.w.t.Error(err)
	}
	return n
}

// TestHandoverRestores boots after a crash, when the plugin's checkpoint is older than what is saved of its triggers, and its image can't be
// used. A handover brings another image, which is restored from the checkpoint: it gets what that lacks.
func TestHandoverRestores(t *testing.T) {
	w := newWorld(t)
	w.keepsWrites()
	w.file("w", "w1")
	o, _ := w.giverOptions("w")
	o.Plugins[0].Triggers = []Trigger{{Spec: "write:*"}}
	o.Backlog = w.backlog()
	r := w.host(o)
	r.acknowledges(3)
	if _, err := r.checkpoint("w"); err != nil {
		t.Fatal(err)
	}
	r.acknowledges(2)
	if _, err := r.AddTrigger("w", Trigger{Spec: "request:/saves"}); err != nil { // and with it all triggers
		t.Fatal(err)
	}
	crashed := filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(crashed, os.DirFS(w.store)); err != nil {
		t.Fatal(err)
	}
	w.store = crashed
	w.fail("w1 open", fails)
	o, lock := w.giverOptions("w")
	o.Plugins[0].Triggers = []Trigger{{Spec: "write:*"}}
	o.Backlog = w.backlog()
	r = w.host(o)
	if s := r.pluginStatus("w"); !s.Generation.IsZero() {
		t.Fatalf("it serves %v", s.Generation)
	}
	next, _, gave, took := r.handover(t.Context(), lock, GiveOptions{Images: map[string]string{"w": w.file("w", "w2")}})
	if gave != nil || took != nil {
		t.Fatal(gave, took)
	}
	next.acknowledges(1)
	if n := next.counted(); n != 6 {
		t.Errorf("of 6 acknowledged writes %d are in the state", n)
	}
}
