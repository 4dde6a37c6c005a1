// Package writes receives points by HTTP as InfluxDB does: /write of InfluxDB 1, /api/v2/write of InfluxDB 2, /api/v3/write_lp of InfluxDB 3, and what their
// clients ask beside. It parses and answers, and hands over what it has parsed without knowing who takes it.
//
// What a client is told decides whether it keeps its points. Telegraf and InfluxDB's libraries send them again after 503 and drop them after 400, so
// a server that can't take points for now answers 503 with a Retry-After, never 429: Telegraf's output for InfluxDB 1 drops points on any 4xx.
package writes

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/buffers"
	"github.com/sohost/sohost/internal/lineprotocol"
)

// Write is what one request writes.
type Write struct {
	Database string
	Tables   []abi.Table
	Rows     int

	// Body is the text of the tables, with lines that can't be read, Precision that of its times, and Received the time of lines without
	// one. Body is valid until Accept returns; the tables stay as they are.
	Body      []byte
	Precision lineprotocol.Precision
	Received  time.Time

	// Queued may be called by Accept once the tables are in a queue that has bounds of its own: others need not wait for them any more.
	Queued func()
}

// ErrFull is returned by Options.Accept if the rows can't be taken now, but probably later.
var ErrFull = errors.New("the server has no room for more rows now")

// Options configure the endpoints.
type Options struct {
	// Accept takes what a request writes, as a whole or not at all. When it returns nil, the rows are acknowledged. An error that
	// wraps ErrFull has the client try again; with any other it is told that the server has failed.
	Accept func(ctx context.Context, w Write) error

	// Tokens are those with which clients may write. If there are none, everybody may.
	Tokens []string

	// BodyLimit bounds a body, in bytes, before and after it is unpacked. Default: DefaultBodyLimit.
	BodyLimit int64

	// Ready returns why the server can't take writes, or nil. It decides what /health says. Default: it can.
	Ready func() error

	// Version is the one that /ping and /health tell.
	Version string
}

// DefaultBodyLimit is that of InfluxDB 3, in bytes.
const DefaultBodyLimit = 10 << 20

// retryAfter is when a client may try again, in seconds.
const retryAfter = "1"

// shownLines is how many lines an answer names that can't be read.
const shownLines = 100

// endpoints is the handler that New returns.
type endpoints struct {
	Options
	tokens [][sha256.Size]byte
	held   *room // for bodies, from before their first byte is read
	room   *room // for those that are parsed and taken
}

// Paths are those that a handler of New answers.
var Paths = []string{"/write", "/query", "/api/v2/write", "/api/v3/write_lp", "/ping", "/health"}

// New returns a handler for Paths.
func New(o Options) http.Handler {
	if o.BodyLimit <= 0 {
		o.BodyLimit = DefaultBodyLimit
	}
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	e := &endpoints{Options: o, held: newRoom(heldFor, o.BodyLimit), room: newRoom(roomFor, o.BodyLimit)}
	for _, token := range o.Tokens {
		e.tokens = append(e.tokens, sha256.Sum256([]byte(token)))
	}
	mux := http.NewServeMux()
	mux.Handle("/write", e.writer(v1{}))
	mux.Handle("/api/v2/write", e.writer(v2{}))
	mux.Handle("/api/v3/write_lp", e.writer(v3{}))
	mux.HandleFunc("/query", e.query)
	mux.HandleFunc("/ping", e.ping)
	mux.HandleFunc("/health", e.health)
	return mux
}

// A dialect is what differs between the endpoints.
type dialect interface {
	// order reads the parameters of a request.
	order(r *http.Request) (order, *failure)
	// tell answers a request that has failed.
	tell(w http.ResponseWriter, f *failure)
}

// order is what the parameters of a request say.
type order struct {
	database  string
	precision lineprotocol.Precision
	partial   bool // write the lines that can be read, even if others can't
	notEmpty  bool // refuse a body without lines
}

// kind is the kind of a failure.
type kind int

const (
	unauthorized kind = iota + 1
	wrongMethod
	badParameter
	noDatabase
	badBody // it can't be unpacked, or read to its end
	tooLarge
	empty
	badLines
	full // or too slow: the client is to try again
	broken
)

// failure is why a request was not carried out, or not wholly.
type failure struct {
	kind    kind
	text    string
	lines   lineprotocol.Parsed // of badLines
	partial bool                // whether lines that can be read were to be written
	written bool                // whether there were some
}

// writer returns the handler of an endpoint.
func (e *endpoints) writer(d dialect) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := e.write(d, r); f != nil {
			if f.kind == full {
				w.Header().Set("Retry-After", retryAfter)
			}
			d.tell(w, f)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// write carries out a request.
func (e *endpoints) write(d dialect, r *http.Request) *failure {
	if r.Method != http.MethodPost {
		return &failure{kind: wrongMethod, text: "only POST writes points"}
	}
	if !e.allowed(r) {
		return &failure{kind: unauthorized}
	}
	o, f := d.order(r)
	if f != nil {
		return f
	}
	held, err := e.held.enter(r.Context(), 1)
	if err != nil {
		return &failure{kind: full, text: err.Error()}
	}
	b := buffers.Get()
	defer func() {
		buffers.Put(b)
		held.leave()
	}()
	if f := e.read(b, r, held); f != nil {
		return f
	}
	parsed, err := e.room.enter(r.Context(), int64(b.Len()))
	if err != nil {
		return &failure{kind: full, text: err.Error()}
	}
	defer parsed.leave()
	now := time.Now()
	p := lineprotocol.Parse(b.Bytes(), lineprotocol.Options{Precision: o.precision, Now: now, MaxErrors: shownLines})
	switch {
	case p.Errors > 0 && (!o.partial || p.Rows == 0):
		return &failure{kind: badLines, lines: p, partial: o.partial}
	case p.Rows == 0 && o.notEmpty:
		return &failure{kind: empty, text: "incoming write was empty"}
	case p.Rows == 0:
		return nil
	}
	err = e.Accept(r.Context(), Write{
		Database: o.database, Tables: p.Tables, Rows: p.Rows, Body: b.Bytes(), Precision: o.precision, Received: now, Queued: parsed.leave,
	})
	switch {
	case errors.Is(err, ErrFull):
		return &failure{kind: full, text: err.Error()}
	case err != nil:
		return &failure{kind: broken, text: err.Error()}
	case p.Errors > 0:
		return &failure{kind: badLines, lines: p, partial: true, written: true}
	}
	return nil
}

// allowed reports whether a request has one of the tokens: as Bearer or Token, as the password of basic authentication, or as the parameter p.
func (e *endpoints) allowed(r *http.Request) bool {
	if len(e.tokens) == 0 {
		return true
	}
	token := r.URL.Query().Get("p")
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch strings.ToLower(scheme) {
	case "bearer", "token":
		token = strings.TrimSpace(value)
	case "basic":
		_, token, _ = r.BasicAuth()
	}
	sum, found := sha256.Sum256([]byte(token)), 0
	for _, t := range e.tokens { // all of them, so that the time says nothing
		found |= subtle.ConstantTimeCompare(sum[:], t[:])
	}
	return found == 1
}
