package dryrun

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/sohost/sohost/generations"
)

// Result is what came of a dry run.
type Result struct {
	Plugin  string         `json:"plugin"`
	Image   generations.ID `json:"image"`
	Version string         `json:"version,omitempty"` // the plugin's own

	// OK reports whether every call returned without an error. What a handler answers is no error, whatever its status.
	OK bool `json:"ok"`

	// Failed says what else has failed than a call of Steps: opening the image, New or Start, for example. Nil if nothing has.
	Failed *Failed `json:"failed,omitempty"`

	Begin Did      `json:"begin"` // what it did in New, Import and Start
	Steps []Called `json:"steps"` // as far as they were begun
	Ended Did      `json:"end"`   // what it did in Stop, Export and Close

	State *StateChange `json:"state,omitempty"` // nil for a plugin without state, and if the plugin's code has not come so far

	// Printed is the beginning of what it wrote to its standard output and error. Tried is what it tried and the wall didn't let it do.
	Printed string   `json:"printed,omitempty"`
	Tried   []string `json:"tried,omitempty"`

	// Lacking says what this machine lacks to keep the plugin from writing, connecting and signalling. Nil if nothing.
	Lacking []string `json:"lacking,omitempty"`

	// Cut is set if the plugin did more than a result holds; then the rest is missing.
	Cut bool `json:"cut,omitempty"`
}

// Phase is what a dry run does.
type Phase string

// The phases, in their order; Step comes for each step.
const (
	Open  Phase = "open"
	New   Phase = "new"
	State Phase = "state"
	Start Phase = "start"
	Call  Phase = "call"
	Stop  Phase = "stop"
)

// Failed is a failure of a plugin.
type Failed struct {
	Phase Phase  `json:"phase"`
	Error string `json:"error"`
	Stack string `json:"stack,omitempty"` // of a panic, or of what hangs
}

// Called is one call, and what the plugin did until the next one.
type Called struct {
	Step    string        `json:"step"` // in words
	Trigger string        `json:"trigger,omitempty"`
	Rows    int           `json:"rows,omitempty"`
	Answer  *Answer       `json:"answer,omitempty"` // of a request
	Took    time.Duration `json:"took_ns"`

	Error string `json:"error,omitempty"`
	Stack string `json:"stack,omitempty"` // of a panic, or of what hangs
	Hangs bool   `json:"hangs,omitempty"` // it had not returned in time; nothing was called after it
	Then  string `json:"then,omitempty"`  // what would follow the error in a server

	Did
}

// Did is what a plugin did.
type Did struct {
	Logs    []Log     `json:"logs,omitempty"`
	Emitted []Emitted `json:"emitted,omitempty"`
	Cached  []Cached  `json:"cached,omitempty"`
	Asked   []Asked   `json:"asked,omitempty"`
	Tasks   int       `json:"tasks,omitempty"` // goroutines begun by its host's Go
}

// Log is a line of the plugin's log.
type Log struct {
	Level string `json:"level"`
	Text  string `json:"text"`
}

// Emitted is what one call of Emit had.
type Emitted struct {
	Lines   string `json:"lines"`             // line protocol
	Lacking int    `json:"lacking,omitempty"` // rows that lack something, since line protocol can't express it
}

// Cached is one change of a cache.
type Cached struct {
	Shared  bool          `json:"shared,omitempty"`
	Deleted bool          `json:"deleted,omitempty"`
	Key     string        `json:"key"`
	Value   []byte        `json:"value,omitempty"`
	TTL     time.Duration `json:"ttl_ns,omitempty"`
	Error   string        `json:"error,omitempty"`
}

// Asked is one query.
type Asked struct {
	Database string         `json:"database,omitempty"`
	Language string         `json:"language,omitempty"`
	Text     string         `json:"text"`
	Params   map[string]any `json:"params,omitempty"`
	Rows     int            `json:"rows"`
	Refused  bool           `json:"refused,omitempty"`
}

// Answer is what a handler answered.
type Answer struct {
	Status int         `json:"status"`
	Header http.Header `json:"header"`
	Body   []byte      `json:"body"`
	Cut    bool        `json:"cut,omitempty"` // Body is only the beginning
}

// StateChange is a plugin's state before the first call and after the last.
type StateChange struct {
	Before json.RawMessage `json:"before,omitempty"` // as `sohost state export` has it
	After  json.RawMessage `json:"after,omitempty"`
	Why    string          `json:"why,omitempty"` // one of them is missing
}

// Rows returns all that was emitted, as line protocol.
func (r Result) Rows() (lines string) {
	all := []Did{r.Begin}
	for _, s := range r.Steps {
		all = append(all, s.Did)
	}
	for _, d := range append(all, r.Ended) {
		for _, e := range d.Emitted {
			lines += e.Lines
		}
	}
	return lines
}
