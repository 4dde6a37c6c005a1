package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/sohost/sohost/internal/events"
)

// maxReaders is how many read events at a time: the other connections are for commands.
const maxReaders = 16

// readers answers those who read events, until done is closed.
func readers(log *events.Log, done <-chan struct{}) http.Handler {
	free := make(chan struct{}, maxReaders)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case free <- struct{}{}:
			defer func() { <-free }()
			if err := log.Serve(w, r, done); err != nil {
				writeJSON(w, http.StatusBadRequest, &Failure{Code: CodeInvalid, Message: err.Error()})
			}
		default:
			writeJSON(w, http.StatusServiceUnavailable, &Failure{Code: CodeFailed, Message: fmt.Sprintf(
				"%d clients read events already, and more may not; end one of them", maxReaders)})
		}
	})
}

// EventsRequest selects events.
type EventsRequest struct {
	Since   string   // the ID of the event before the first one; "0": all that the server still has; "": only new ones
	Plugins []string // only of these plugins; all if there are none
	Kinds   []string // only of these kinds; all if there are none
}

// Message is an event as it arrives. One of the two fields is set.
type Message struct {
	Event  *events.Event
	Missed *events.Missed // there were more before this one than the server has kept
	ID     string         // for EventsRequest.Since
	JSON   []byte         // of what is set; good until the next message
}

// Events calls each with one event after the other, as they happen, until ctx ends, each returns an error, or the server is gone or
// replaces its program: the error is io.EOF then, and the next call may go on after the last ID.
func (c *Client) Events(ctx context.Context, in EventsRequest, each func(Message) error) error {
	query := url.Values{"plugin": in.Plugins, "kind": in.Kinds}
	if in.Since != "" {
		query.Set("since", in.Since)
	}
	w := c.wait(ctx, http.MethodGet)
	defer w.end()
	resp, err := c.ask(w.ctx, http.MethodGet, "/v1/events?"+query.Encode(), nil)
	w.answered()
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	silent := func() { w.silent(fmt.Sprintf("for %v: %s", c.pulse.stream, c.mute())) }
	err = readMessages(&heard{resp.Body, c.pulse.stream, silent}, each)
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	return err
}

// heard calls silent if nothing comes for so long that was waited for. What its caller does between two reads doesn't count.
type heard struct {
	io.Reader
	limit  time.Duration
	silent func()
}

func (h *heard) Read(b []byte) (int, error) {
	defer time.AfterFunc(h.limit, h.silent).Stop()
	return h.Reader.Read(b)
}

// maxMessage is the size of the longest line of a message, in bytes.
const maxMessage = 1 << 20

// readMessages reads Server-Sent Events. The error is each's, or io.EOF if there are no more.
func readMessages(from io.Reader, each func(Message) error) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxMessage)
	m, kind := Message{}, ""
	for lines.Scan() {
		name, value, _ := bytes.Cut(lines.Bytes(), []byte(": "))
		switch string(name) {
		case "id":
			m.ID = string(value)
		case "event":
			kind = string(value)
		case "data":
			m.JSON = value
			if err := m.decode(kind); err != nil {
				return fmt.Errorf("read the server's events: %w", err)
			}
			if err := each(m); err != nil {
				return err
			}
			m, kind = Message{}, ""
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("read the server's events: %w", lines.Err())
	}
	return io.EOF // whatever has ended the connection
}

func (m *Message) decode(kind string) error {
	if kind == events.KindMissed {
		m.Missed = new(events.Missed)
		return json.Unmarshal(m.JSON, m.Missed)
	}
	m.Event = new(events.Event)
	return json.Unmarshal(m.JSON, m.Event)
}
