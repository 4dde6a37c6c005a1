// Package hooks tells commands and URLs of events. Each hook gets one event after the other, as JSON, with a time limit and a few
// attempts; it never holds anything else up. What waits for it are the latest events, as for any reader: see package events.
package hooks

import (
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/sohost/sohost/generations"
)

// Hook is what is told of events. Either Command or URL is set.
type Hook struct {
	On      []string `json:"on"`                // kinds of events
	Plugins []string `json:"plugins,omitempty"` // only events of these; all if there are none
	Command []string `json:"command,omitempty"` // gets the event on its standard input
	URL     string   `json:"url,omitempty"`     // gets it as the body of a POST

	Timeout  time.Duration `json:"timeout,omitempty"`  // of one attempt; DefaultTimeout if 0
	Attempts int           `json:"attempts,omitempty"` // DefaultAttempts if 0
}

// The defaults of a Hook.
const (
	DefaultTimeout  = 10 * time.Second
	DefaultAttempts = 3
)

// Check calls bad for each fault, with the key of the field, or "".
func (h *Hook) Check(bad func(field, text string)) {
	if len(h.On) == 0 {
		bad("", `no events: name their kinds with on = ["refuse", "crash", "quarantine", "checkpoint failed"]`)
	}
	for _, kind := range h.On {
		if !slices.Contains(generations.Kinds(), generations.Kind(kind)) {
			bad("on", fmt.Sprintf("%q is no kind of event: the kinds are %q", kind, generations.Kinds()))
		}
	}
	switch u, err := url.Parse(h.URL); {
	case (len(h.Command) == 0) == (h.URL == ""):
		bad("", `want either command = ["PROGRAM", "ARGUMENT"] or url = "https://…"`)
	case len(h.Command) > 0 && h.Command[0] == "":
		bad("command", "want the name of a program that isn't empty")
	case h.URL != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == ""):
		bad("url", "want one such as https://alerts.example.com/sohost")
	}
	if h.Timeout < 0 || h.Attempts < 0 {
		bad("", "timeout and attempts can't be negative")
	}
}

// wants reports whether the hook is to be told of an event.
func (h *Hook) wants(e generations.Event) bool {
	return slices.Contains(h.On, string(e.Kind)) && (len(h.Plugins) == 0 || slices.Contains(h.Plugins, e.Plugin))
}

// Status says how a hook does.
type Status struct {
	Name      string    `json:"name"`
	Delivered uint64    `json:"delivered"`           // events that it took
	Failed    uint64    `json:"failed"`              // events that it didn't take in any attempt
	Missed    uint64    `json:"missed"`              // events, of whatever kind, that were not kept until it had time
	Error     string    `json:"error,omitempty"`     // of the last attempt that failed; absent if a later one has succeeded
	ErrorTime time.Time `json:"error_time,omitzero"` // when that was
}
