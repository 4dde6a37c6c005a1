package integration

import (
	"context"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/control"
)

// begin begins a handover and returns in a phase of it, or when it is over.
func (r *trial) begin(phase int) (giver int, answer <-chan error) {
	r.t.Helper()
	giver, _ = r.awaitOne()
	_, offset, _ := r.events.since(0)
	mark := r.d.mark()
	answered, over := make(chan error, 1), make(chan struct{})
	go func(client *control.Client) {
		_, err := client.Handover(context.Background(), control.HandoverRequest{Why: "test"})
		answered <- err
		close(over)
	}(r.d.client)
	r.d.await(mark, func(l line) bool { return l.text("msg") == "handover begins" })
	for {
		_, _, event := r.events.since(offset)
		said := r.d.next(r.d.mark())
		if slices.Index(handoverPhases, r.phase(giver, offset, mark)) >= phase {
			return giver, answered
		}
		select {
		case <-event:
		case <-said:
		case <-over:
			return giver, answered
		}
	}
}

// TestTerminateInHandover sends SIGTERM in every phase of a handover. The server ends well, and the next one has all that was
// acknowledged.
func TestTerminateInHandover(t *testing.T) {
	r := newTrial(t, 5*time.Millisecond)
	for round := range 2 * len(handoverPhases) {
		phase := round % len(handoverPhases)
		_, answer := r.begin(phase)
		if round >= len(handoverPhases) {
			r.pause(5 * time.Millisecond)
		}
		r.d.cmd.Process.Signal(syscall.SIGTERM)
		r.d.awaitExit()
		counted := r.load.counted.Load()
		<-answer
		log := r.d.log()
		r.start()
		total, _ := r.d.get("/counter/total")
		if n, _ := strconv.ParseInt(total, 10, 64); n < counted {
			t.Errorf("SIGTERM in %s: %d calls were acknowledged, and only %d are left; the log:\n%s", handoverPhases[phase], counted, n, log)
		}
		worker, _ := r.awaitOne()
		r.check(worker)
		r.load.counted.Store(0)
	}
}

// TestStopInHandover stops the giver or the taker, as a debugger or a frozen machine does, in every phase of a handover. It
// is found out and replaced, and nothing is served twice. A process that is stopped keeps what it holds: its end is waited for.
func TestStopInHandover(t *testing.T) {
	r := newTrial(t, 5*time.Millisecond, "--hang-timeout", "1s")
	for round := range 2 * len(handoverPhases) {
		phase := round / 2
		giver, answer := r.begin(phase)
		what, victim := "giver", giver
		if round%2 == 1 {
			what = "taker"
			for _, pid := range children(r.supervisor()) {
				if pid != giver {
					victim = pid
				}
			}
		}
		p := handle(victim)
		r.pause(2 * time.Millisecond)
		if err := p.Signal(syscall.SIGSTOP); err != nil {
			t.Logf("%s in %s: it had ended", what, handoverPhases[phase])
		}
		begin := time.Now()
		select {
		case <-answer:
		case <-time.After(patience):
			r.fatal("%s stopped in %s: the request for a handover has no answer", what, handoverPhases[phase])
		}
		r.awaitService()
		back := time.Since(begin)
		awaitThat(t, "be alone again", soon, func() bool { return len(children(r.supervisor())) == 1 })
		t.Logf("%s stopped in %s: answered and served after %v, one worker after %v", what, handoverPhases[phase],
			back.Round(time.Millisecond), time.Since(begin).Round(time.Millisecond))
		r.awaitService()
		r.handover()
		worker, _ := r.awaitOne()
		r.check(worker)
	}
}

// TestHandoversLeaveNothing hands over again and again: the supervisor has no more open files than before, no zombies, and
// the store no temporary files.
func TestHandoversLeaveNothing(t *testing.T) {
	r := newTrial(t, 0)
	for range 3 {
		r.handover()
		r.awaitOne()
	}
	r.load.end()
	files := func() int {
		worker, _ := r.awaitOne()
		r.check(worker)
		return openFiles(t, r.supervisor())
	}
	before := files()
	for range 30 {
		r.handover()
	}
	for range 5 { // workers that die are followed by others, and then by a handover
		worker, _ := r.awaitOne()
		handle(worker).Kill()
		awaitThat(t, "replace the worker", soon, func() bool { c := children(r.supervisor()); return len(c) == 1 && c[0] != worker })
		r.awaitService()
		r.handover()
	}
	var after int
	awaitThat(t, "have no more open files than before", soon, func() bool { after = files(); return after <= before })
	t.Logf("open files of the supervisor: %d before, %d after 35 handovers and 5 workers that died", before, after)
	if deleted, err := os.ReadDir(r.place.store + "/crashes"); err == nil {
		t.Logf("%d crash outputs are kept", len(deleted))
	}
	r.d.terminate() // the last handover's checkpoints may be on their way
	leftovers(t, r.place)
}
