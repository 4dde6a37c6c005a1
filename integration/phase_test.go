package integration

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sohost/sohost/internal/server/control"
)

// handoverPhases are the phases of a handover that can be told apart from outside, by the calls of the plugin exclusive.
var handoverPhases = []string{"prepare", "drain", "state", "start and commit", "publish and draining"}

// phase returns where a handover from the old worker is, by the events from an offset on and the log from a mark on.
func (s *loadedServer) phase(oldWorker, offset, mark int) string {
	had := map[string]bool{}
	events, _, _ := s.events.since(offset)
	for _, event := range events {
		pid, what, _ := strings.Cut(event, " ")
		if pid != strconv.Itoa(oldWorker) {
			what = "new worker: " + what
		}
		had[what] = true
	}
	switch {
	case had["new worker: serve"] || s.logged(mark, "handover"):
		return "publish and draining"
	case had["new worker: start"]:
		return "start and commit"
	case had["stop"]:
		return "state"
	case had["new worker: new"]:
		return "drain"
	}
	return "prepare"
}

// logged reports whether a message was logged from a mark on.
func (d *daemon) logged(mark int, message string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.lines[mark:], isMessage(message))
}

// beginHandover begins a handover and returns in a phase of it, or when it is over.
func (s *loadedServer) beginHandover(phase int) (oldWorker int, answer <-chan error) {
	s.t.Helper()
	oldWorker, _ = s.awaitOneWorker()
	_, offset, _ := s.events.since(0)
	mark := s.mark()
	answered, over := make(chan error, 1), make(chan struct{})
	go func(client *control.Client) {
		_, err := client.Handover(patient(s.t), control.HandoverRequest{Why: "test"})
		answered <- err
		close(over)
	}(s.client)
	s.await(mark, isMessage("handover begins"))
	for {
		_, _, event := s.events.since(offset)
		logged := s.next(s.mark())
		if slices.Index(handoverPhases, s.phase(oldWorker, offset, mark)) >= phase {
			return oldWorker, answered
		}
		select {
		case <-event:
		case <-logged:
		case <-over:
			return oldWorker, answered
		}
	}
}
