package dryrun

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/adapter"
	"github.com/sohost/sohost/internal/cache"
	"github.com/sohost/sohost/internal/lineprotocol"
)

// host is the abi.Host of the plugin. It tells everything that the plugin does with it.
type host struct {
	*teller
	order      Order
	generation string
	own        recorded
	shared     recorded

	mu      sync.Mutex // guards answers
	answers [][]byte   // left
}

// maxCache bounds each cache, in bytes.
const maxCache = 64 << 20

func newHost(o Order, generation string, t *teller) *host {
	return &host{
		teller: t, order: o, generation: generation, answers: o.Answers,
		own: recorded{Cache: cache.New(maxCache), teller: t}, shared: recorded{Cache: cache.New(maxCache), teller: t, all: true},
	}
}

func (h *host) Plugin() string          { return h.order.Plugin }
func (h *host) Generation() string      { return h.generation }
func (h *host) Args() map[string]string { return h.order.args() }
func (h *host) Config() map[string]any  { return adapter.Typed(h.order.Args, h.order.Values) }
func (h *host) Cache() abi.Cache        { return h.own }
func (h *host) SharedCache() abi.Cache  { return h.shared }
func (h *host) Services() any           { return nil }

// Go is never called: each instance has its own.
func (h *host) Go(func(context.Context)) bool { return false }

func (h *host) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(logWriter{h.teller}, &slog.HandlerOptions{
		Level: slog.LevelDebug, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}

func (h *host) Emit(ctx context.Context, tables []abi.Table) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	text, lacking := lineprotocol.Append(nil, tables)
	h.tell(event{Emitted: &Emitted{Lines: string(text), Lacking: lacking}})
	return nil
}

// Query answers with the next of the given answers.
func (h *host) Query(ctx context.Context, q abi.Query) ([]abi.Table, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	asked := Asked{Database: q.Database, Language: q.Language, Text: q.Text, Params: q.Params}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.answers) == 0 {
		asked.Refused = true
		h.tell(event{Asked: &asked})
		return nil, errors.New("a dry run asks no database, and no answer is left for this query: give it one with --query-answer")
	}
	p := lineprotocol.Parse(h.answers[0], lineprotocol.Options{Precision: lineprotocol.Nanosecond, Now: time.Now()})
	h.answers = h.answers[1:]
	for i := range p.Tables { // a query's result has its times in columns
		t := &p.Tables[i]
		t.Columns = append([]abi.Column{{Name: "time", Kind: abi.Time, Ints: t.Times}}, t.Columns...)
		t.Times = nil
	}
	asked.Rows = p.Rows
	h.tell(event{Asked: &asked})
	return p.Tables, nil
}

// args returns all of the plugin's arguments as a new map of texts.
func (o Order) args() map[string]string { return adapter.Texts(o.Args, o.Values) }

// recorded is a cache whose changes are told.
type recorded struct {
	*cache.Cache
	*teller
	all bool // it is the one that all plugins share
}

func (r recorded) Put(key string, value []byte, ttl time.Duration) error {
	err := r.Cache.Put(key, value, ttl)
	c := Cached{Shared: r.all, Key: key, Value: bytes.Clone(value), TTL: ttl}
	if err != nil {
		c.Value, c.Error = nil, err.Error()
	}
	r.tell(event{Cached: &c})
	return err
}

func (r recorded) Delete(key string) bool {
	r.tell(event{Cached: &Cached{Shared: r.all, Key: key, Deleted: true}})
	return r.Cache.Delete(key)
}

// logWriter tells the lines that a slog.TextHandler writes.
type logWriter struct{ *teller }

func (w logWriter) Write(line []byte) (int, error) {
	level, text, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
	w.tell(event{Log: &Log{Level: strings.TrimPrefix(level, "level="), Text: text}})
	return len(line), nil
}
