package supervisor

import (
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/events"
	"github.com/sohost/sohost/internal/server/worker"
)

// TestLostEvents has a worker tell of events and of how many there were after these: readers miss them just there.
func TestLostEvents(t *testing.T) {
	st := newStage(t, nil)
	st.run()
	p := st.worker()
	p.serve(7)
	log := st.s.Events()
	await := func(kind generations.Kind, lost uint64) (seq uint64) {
		t.Helper()
		for deadline := time.After(patience); ; {
			entries, missed, changed := log.Since(0)
			for _, e := range entries {
				if e.Kind == kind && missed == lost {
					return e.Seq
				}
			}
			select {
			case <-changed:
			case <-deadline:
				t.Fatalf("no event %s with %d lost: %+v, %d", kind, lost, entries, missed)
			}
		}
	}
	before := await(generations.KindWorkerServes, 0)
	p.say(worker.Word{Events: &events.Batch{Events: []generations.Event{{Kind: generations.KindFlip, Plugin: "a"}}, Lost: 3}})
	if at := await(generations.KindFlip, 3); at != before+1 || log.Last() != before+4 {
		t.Errorf("the event is number %d of %d, want %d of %d", at, log.Last(), before+1, before+4)
	}
}
