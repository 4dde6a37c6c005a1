package instance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/state"
)

// freshLimit is how long New, and then Export, of a fresh instance may take.
const freshLimit = 10 * time.Second

// fresh returns an instance of an image that is made only to be looked at, in a process that is thrown away. It has no arguments and no
// services, and nothing starts it. Whether it serves what its host needs doesn't matter.
func fresh(image *Image) (*Instance, error) {
	ctx, cancel := context.WithTimeout(context.Background(), freshLimit)
	defer cancel()
	in, err := New(ctx, image, freshHost{strings.TrimSuffix(filepath.Base(image.Path()), ".so")}, nil, nil, func(*Instance) {})
	if in != nil && in.value != nil {
		return in, nil
	}
	if err == nil {
		err = errors.New("it returned nil")
	}
	return nil, err
}

// meet corrects a comparison of what two images declare by what instances of them are: only those tell whether there is a state at all.
func (c *Comparison) meet(old, next *Image) {
	has := old.Wants().Value != nil
	if in, err := fresh(old); err == nil {
		has = in.Stateful()
	}
	in, err := fresh(next)
	if err != nil {
		c.Unmade = err.Error()
		return
	}
	switch {
	case !has:
		c.nothingMoves(Stateless)
	case !in.Stateful():
		c.nothingMoves(Emptied)
		why := "the new code is not abi.Stateful"
		if slip := in.Slip(); slip != "" {
			why += ": " + slip
		}
		c.Lost, c.Why = []string{"everything"}, []state.Reason{{Path: "state", Text: why}}
	}
	if in.Stateful() {
		ctx, cancel := context.WithTimeout(context.Background(), freshLimit)
		defer cancel()
		in.Export(ctx, abi.State{}) // an error says nothing: it isn't started
		c.Mismatch = in.Mismatch()
	} else {
		c.Uncheckpointable = ""
	}
}

// nothingMoves makes it a comparison without a move.
func (c *Comparison) nothingMoves(o Outcome) {
	c.Outcome, c.Changes, c.Lost, c.Why = o, state.Changes{}, nil, nil
}

// freshHost is the abi.Host of a fresh instance.
type freshHost struct{ plugin string }

func (h freshHost) Plugin() string                { return h.plugin }
func (h freshHost) Generation() string            { return strings.Repeat("0", 12) }
func (h freshHost) Args() map[string]string       { return map[string]string{} }
func (h freshHost) Logger() *slog.Logger          { return slog.New(slog.DiscardHandler) }
func (h freshHost) Cache() abi.Cache              { return noCache{} }
func (h freshHost) SharedCache() abi.Cache        { return noCache{} }
func (h freshHost) Services() any                 { return nil }
func (h freshHost) Go(func(context.Context)) bool { return false }

func (h freshHost) Emit(context.Context, []abi.Table) error {
	return fmt.Errorf("%s is only looked at, and no row is stored", h.plugin)
}

func (h freshHost) Query(context.Context, abi.Query) ([]abi.Table, error) {
	return nil, fmt.Errorf("%s is only looked at, and nothing is queried", h.plugin)
}

// noCache keeps nothing, as a full cache may.
type noCache struct{}

func (noCache) Get(string) ([]byte, bool)               { return nil, false }
func (noCache) Put(string, []byte, time.Duration) error { return nil }
func (noCache) Delete(string) bool                      { return false }
