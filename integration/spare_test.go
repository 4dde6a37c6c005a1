package integration

import (
	"testing"
	"time"

	"github.com/sohost/sohost/internal/pidfd"
	"github.com/sohost/sohost/internal/server/control"
)

// TestSpareProbe: after a reload a child waits for the next image, which a restart or a kill of the worker ends.
func TestSpareProbe(t *testing.T) {
	t.Parallel()
	image := newSource(t, "hello").build()
	clones := newCloner(t, image, "example.com/hello")
	p := newPlace(t)
	d := p.start(t, "--plugin", "hello="+image)
	spare := func() int {
		if s := d.status().SpareProbe; s != nil {
			if s.Memory > 64<<20 {
				t.Errorf("it holds %d bytes", s.Memory)
			}
			return s.PID
		}
		return 0
	}
	if pid := spare(); pid != 0 {
		t.Fatalf("process %d is there before any reload", pid)
	}
	last := 0
	for range 2 {
		if _, err := d.client.Deploy(patient(t), control.DeployRequest{Images: map[string]string{"hello": clones.clone(t)}}); err != nil {
			t.Fatal(err)
		}
		now := 0
		awaitThat(t, "there is a spare child", func() bool { now = spare(); return now != 0 })
		if now == last {
			t.Errorf("process %d was not used", last)
		}
		last = now
	}
	process, err := pidfd.Open(last)
	if err != nil {
		t.Fatal(err)
	}
	defer process.Close()
	worker, err := pidfd.Open(d.status().PID)
	if err != nil {
		t.Fatal(err)
	}
	defer worker.Close()
	worker.Kill()
	if !process.AwaitEnd(time.Minute) {
		t.Error("the spare child outlives its worker")
	}
}
