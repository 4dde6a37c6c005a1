package worker

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/control"
)

// profile begins a CPU profile of five minutes, and returns a channel that gets it once it ends.
func (c *child) profile() <-chan []byte {
	c.t.Helper()
	ask := func(kind string) ([]byte, error) {
		resp, err := control.Ask(c.t.Context(), c, "GET", "/v1/profile/"+kind, nil)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		return io.ReadAll(resp.Body)
	}
	got := make(chan []byte, 1)
	go func() {
		text, err := ask("cpu?seconds=300")
		if err != nil {
			c.t.Error(err)
		}
		got <- text
	}()
	for deadline := time.Now().Add(patience); ; {
		stacks, err := ask("goroutine?debug=1")
		switch {
		case err != nil:
			c.t.Fatal(err)
		case strings.Contains(string(stacks), "profileCPU"):
			return got
		case time.Now().After(deadline):
			c.t.Fatalf("no profile is taken:\n%s", stacks)
		}
	}
}

// TestProfileEnds has workers take profiles of five minutes. One that is told to finish ends it, one that hands over a little before it has
// no time left, and whoever has asked gets what there is.
func TestProfileEnds(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	giver := p.start(func(s *Start) { s.ShutdownTimeout, s.Linger = 100*time.Millisecond, time.Minute })
	giver.serving()
	of := giver.profile()
	taker := p.handOver(giver)
	next := taker.profile()
	if text := receive(t, of, "profile of the old worker"); len(text) == 0 {
		t.Error("it is empty")
	}
	giver.ends(0)
	taker.order(Order{Finish: true})
	if text := receive(t, next, "profile of the new worker"); len(text) == 0 {
		t.Error("it is empty")
	}
	taker.ends(0)
}
