package triggers

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/sohost/sohost/abi"
)

// TestCutBesideLetters takes checkpoints while letters wait to be delivered, or are, without a backlog. A checkpoint has the rows of a letter,
// and its number, or neither; other writes need not wait.
func TestCutBesideLetters(t *testing.T) {
	in(t, func(r *rig) {
		r.stateful.set(true)
		r.engine(Trigger{Spec: "write:*", OnError: Retry, Attempts: 1})
		r.aside("a")
		at, release, err := r.Cut(t.Context(), "p")
		if err != nil || len(at) != 0 {
			t.Errorf("%v, %v", at, err)
		}
		r.write("b")
		r.wants("write-all b:1 0/1")
		replayed := make(chan bool)
		go func() { r.replays(1); close(replayed) }()
		r.wants("")
		release()
		r.wants("write-all a:1 0/1")
		<-replayed

		r.aside("c")
		end := make(chan bool)
		r.mu.Lock()
		r.handle.set(func(context.Context, *abi.Batch) error { <-end; return nil })
		r.mu.Unlock()
		replayed = make(chan bool)
		go func() { r.replays(1); close(replayed) }()
		synctest.Wait()
		cut := make(chan Positions)
		go func() { cut <- r.cut() }()
		synctest.Wait()
		select {
		case at := <-cut:
			t.Errorf("it doesn't wait for the call: %v", at)
		default:
			close(end)
			if at := <-cut; at[letterPosition("write-all")] != 2 {
				t.Errorf("it lacks the letter: %v", at)
			}
		}
		<-replayed
		r.end()
	})
}
