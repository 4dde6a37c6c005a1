package sohost

import (
	"context"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/instance"
)

// TestSpareLater: a spare child of the probe is made after a reload that has needed one, and for nothing else.
func TestSpareLater(t *testing.T) {
	w := newWorld(t)
	w.spares = make(chan instance.ProbeOptions, 10)
	o := w.options("a")
	o.OpenTimeout = time.Minute + time.Second
	w.file("a", "a1")
	r := w.host(o) // one that it made would be made before that of the reload
	r.mustDeploy("a1")
	r.mustDeploy("a2")
	select {
	case got := <-w.spares:
		if got.Limit != o.OpenTimeout || got.Unwalled || got.MustHold {
			t.Errorf("it is made with %+v", got)
		}
	case <-time.After(time.Minute):
		t.Fatal("none is made")
	}
	if len(w.spares) > 0 {
		t.Error("another is made")
	}
	if s := r.StatusBrief().SpareProbe; s != nil {
		t.Errorf("the status has %+v, the loader nothing", s)
	}
	r.loader.Spare = func() *instance.Spare { return &instance.Spare{PID: 7} }
	if s := r.StatusBrief().SpareProbe; s == nil || s.PID != 7 {
		t.Errorf("the status has %+v", s)
	}
	closed := make(chan struct{})
	end := r.loader.Close
	r.loader.Close = func() { end(); close(closed) }
	if err := r.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-closed:
	default:
		t.Error("the host is closed, and its loader isn't")
	}
}
