package trial

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/lineprotocol"
)

// errFull is the error of Emit when the script says so.
var errFull = errors.New("no room for rows")

// host is the abi.Host of a plugin on trial.
type host struct {
	t       testing.TB
	args    map[string]string
	cache   cache
	emitted []byte
	full    bool
	now     time.Time // of the last tick
}

var _ abi.Host = (*host)(nil)

func (h *host) Plugin() string                { return "trial" }
func (h *host) Generation() string            { return "000000000000" }
func (h *host) Args() map[string]string       { return h.args }
func (h *host) Logger() *slog.Logger          { return slog.New(slog.NewTextHandler(h.t.Output(), nil)) }
func (h *host) Cache() abi.Cache              { return timed{h} }
func (h *host) SharedCache() abi.Cache        { return timed{h} }
func (h *host) Services() any                 { return nil }
func (h *host) Go(func(context.Context)) bool { return false }

func (h *host) Emit(_ context.Context, tables []abi.Table) error {
	if h.full {
		h.full = false
		return errFull
	}
	h.emitted, _ = lineprotocol.Append(h.emitted, tables)
	return nil
}

func (h *host) Query(context.Context, abi.Query) ([]abi.Table, error) {
	return nil, errors.New("there is no database")
}

// cache has values with the time at which they end; the zero time is never.
type cache map[string]value

type value struct {
	value []byte
	end   time.Time
}

// timed is a cache by the time of the script.
type timed struct{ *host }

func (c timed) Get(key string) ([]byte, bool) {
	v, ok := c.cache[key]
	if !ok || !v.end.IsZero() && !c.now.Before(v.end) {
		return nil, false
	}
	return v.value, true
}

func (c timed) Put(key string, v []byte, ttl time.Duration) error {
	var end time.Time
	if ttl > 0 {
		end = c.now.Add(ttl)
	}
	c.cache[key] = value{v, end}
	return nil
}

func (c timed) Delete(key string) bool {
	_, had := c.Get(key)
	delete(c.cache, key)
	return had
}
