package integration

import (
	"syscall"
	"testing"
	"time"
)

// TestTerminateInHandover sends SIGTERM in every phase of a handover. The server ends well, and the next one has all that was
// answered.
func TestTerminateInHandover(t *testing.T) {
	t.Parallel()
	s := startLoaded(t, 5*time.Millisecond)
	for round := range repeated(len(handoverPhases)) {
		phase := round % len(handoverPhases)
		_, answer := s.beginHandover(phase)
		if round%2 == 1 { // not at its very beginning
			s.pause(5 * time.Millisecond)
		}
		s.cmd.Process.Signal(syscall.SIGTERM)
		s.awaitExit()
		answered := s.counted.Load()
		<-answer
		s.start()
		s.checkCount(answered, "SIGTERM in "+handoverPhases[phase])
		worker, _ := s.awaitOneWorker()
		s.check(worker)
		s.counted.Store(0)
	}
}

// TestStopInHandover stops the old or the new worker, as a debugger or a frozen machine does, in every phase of a handover.
// The server notices and replaces it, and nothing is served twice. A stopped process keeps what it holds: its end is waited
// for.
func TestStopInHandover(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits until each of many stopped workers is given up; make kills runs it")
	}
	t.Parallel()
	s := startLoaded(t, 5*time.Millisecond, "--hang-timeout", "4s") // others answer within that, on a busy machine as well
	for round := range repeated(len(handoverPhases)) {
		// Each phase once, the workers by turns; in the next so many rounds it is the other one's turn.
		phase := round % len(handoverPhases)
		oldWorker, answer := s.beginHandover(phase)
		name, pid := "old worker", oldWorker
		if round%2 == 1 {
			name = "new worker"
			for _, child := range children(s.supervisor()) {
				if child != oldWorker {
					pid = child
				}
			}
		}
		p := process(pid)
		s.pause(2 * time.Millisecond)
		if err := p.Signal(syscall.SIGSTOP); err != nil {
			t.Logf("%s in %s: it had ended", name, handoverPhases[phase])
		}
		begin := time.Now()
		select {
		case <-answer:
		case <-time.After(patience):
			s.fatal("%s stopped in %s: the request for a handover has no answer", name, handoverPhases[phase])
		}
		s.awaitService()
		back := time.Since(begin)
		s.awaitOneWorker()
		t.Logf("%s stopped in %s: answered and served after %v, one worker after %v", name, handoverPhases[phase],
			back.Round(time.Millisecond), time.Since(begin).Round(time.Millisecond))
		s.awaitService()
		s.handover()
		worker, _ := s.awaitOneWorker()
		s.check(worker)
	}
}

// TestHandoversLeaveNothing hands over again and again: the supervisor has no more open files than before, no zombies, and
// the store no temporary files.
func TestHandoversLeaveNothing(t *testing.T) {
	t.Parallel()
	s := startLoaded(t, 0)
	for range 3 {
		s.handover()
		s.awaitOneWorker()
	}
	s.clients.end()
	files := func() int {
		worker, _ := s.awaitOneWorker()
		s.check(worker)
		return openFiles(t, s.supervisor())
	}
	before := files()
	for range repeated(5) {
		s.handover()
	}
	for range repeated(2) { // workers that die are followed by others, and then by a handover
		worker, _ := s.awaitOneWorker()
		process(worker).Kill()
		awaitThat(t, "the worker is replaced", func() bool { c := children(s.supervisor()); return len(c) == 1 && c[0] != worker })
		s.awaitService()
		s.handover()
	}
	var after int
	awaitThat(t, "the supervisor has no more open files than before", func() bool { after = files(); return after <= before })
	t.Logf("open files of the supervisor: %d before, %d after %d handovers and %d workers that died",
		before, after, repeated(5), repeated(2))
	s.terminate() // the last handover's checkpoints may be on their way
	checkLeftovers(t, s.place)
}
