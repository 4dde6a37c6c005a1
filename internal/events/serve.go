package events

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// heartbeat is how often a reader hears something, so that both sides notice when the other is gone.
	heartbeat = 15 * time.Second

	// patience is how long a reader may take nothing while its connection is full.
	patience = 30 * time.Second
)

// KindMissed is the kind of the message that stands for events which the reader can't have any more.
const KindMissed = "missed"

// Missed is the data of a message of the kind "missed".
type Missed struct {
	// Missed is how many events are lost between the one before and the one after.
	Missed uint64 `json:"missed"`

	// Restarted is set if the reader has read from a server that was started earlier: how many it has missed isn't known then.
	Restarted bool `json:"restarted,omitempty"`
}

// Serve answers with the events from now on as Server-Sent Events, until the client leaves or done is closed. Each message has an
// event's ID, its kind and, as data, its JSON. With the header Last-Event-ID or the parameter since, which is an ID or 0, it begins
// after that event. The parameters plugin and kind, which may be there several times, select events. The error is about the
// parameters, and then nothing is answered yet.
func (l *Log) Serve(w http.ResponseWriter, r *http.Request, done <-chan struct{}) error {
	since, restarted, err := l.parse(r)
	if err != nil {
		return err
	}
	s := &stream{log: l, to: http.NewResponseController(w), w: w, wanted: wanted(r)}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	err = s.write(": the events of sohost\n\n") // so that the client knows at once
	if err == nil && restarted {
		err = s.miss(since, Missed{Restarted: true})
	}
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for err == nil {
		var changed <-chan struct{}
		if since, changed, err = s.send(since); err != nil {
			return nil
		}
		select {
		case <-changed:
		case <-tick.C:
			err = s.write(":\n\n")
		case <-r.Context().Done():
			return nil
		case <-done:
			return nil
		}
	}
	return nil // the client is gone
}

// ID returns the ID of the event with that number, which no event of another server has.
func (l *Log) ID(seq uint64) string { return l.epoch + "-" + strconv.FormatUint(seq, 10) }

// parse returns the number after which the reader wants to read.
func (l *Log) parse(r *http.Request) (since uint64, restarted bool, err error) {
	id := r.Header.Get("Last-Event-ID")
	if id == "" {
		id = r.URL.Query().Get("since")
	}
	switch id {
	case "":
		return l.Last(), false, nil
	case "0":
		return 0, false, nil
	}
	epoch, number, _ := strings.Cut(id, "-")
	since, err = strconv.ParseUint(number, 10, 64)
	if err != nil {
		return 0, false, fmt.Errorf("since %q: want the ID of an event, such as %s, or 0 for all that are kept", id, l.ID(42))
	}
	if epoch != l.epoch {
		return 0, true, nil
	}
	return min(since, l.Last()), false, nil
}

// stream is one reader.
type stream struct {
	log    *Log
	to     *http.ResponseController
	w      http.ResponseWriter
	wanted func(Event) bool
}

// send sends what there is after a number, and returns the one up to which that is.
func (s *stream) send(since uint64) (next uint64, changed <-chan struct{}, err error) {
	entries, lost, changed := s.log.Since(since)
	for _, e := range entries {
		if gap := e.Seq - since - 1; gap > 0 {
			lost -= gap
			if err := s.miss(e.Seq-1, Missed{Missed: gap}); err != nil {
				return since, changed, err
			}
		}
		if since = e.Seq; s.wanted(e.Event) {
			if err := s.message(e.Seq, string(e.Kind), e.JSON); err != nil {
				return since, changed, err
			}
		}
	}
	if lost > 0 {
		since += lost
		err = s.miss(since, Missed{Missed: lost})
	}
	return since, changed, err
}

func (s *stream) miss(seq uint64, m Missed) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return s.message(seq, KindMissed, text)
}

func (s *stream) message(seq uint64, kind string, data []byte) error {
	return s.write(fmt.Sprintf("id: %s\nevent: %s\ndata: %s\n\n", s.log.ID(seq), kind, data))
}

func (s *stream) write(text string) error {
	s.to.SetWriteDeadline(time.Now().Add(patience)) // fails only for a connection that has none
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.to.Flush()
}

// wanted returns which events a request asks for.
func wanted(r *http.Request) func(Event) bool {
	plugins, kinds := set(r.URL.Query()["plugin"]), set(r.URL.Query()["kind"])
	return func(e Event) bool {
		return (len(plugins) == 0 || plugins[e.Plugin]) && (len(kinds) == 0 || kinds[string(e.Kind)])
	}
}

func set(names []string) map[string]bool {
	all := map[string]bool{}
	for _, name := range names {
		all[name] = true
	}
	return all
}
