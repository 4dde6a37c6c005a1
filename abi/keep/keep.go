// Package keep implements abi.Stateful for an instance whose state is a single struct. It is compiled into the plugin and is
// not part of the contract, so plugins with different versions of it can be loaded side by side.
//
//	type state struct {
//		Hits map[string]int64
//	}
//
//	type counter struct {
//		keep.Of[state]
//		mu sync.Mutex // guards the state
//	}
//
//	var Plugin = abi.Descriptor{
//		ABI:   abi.Version,
//		State: keep.Prototype[state]("counter", 1),
//		New: func(context.Context, abi.Host) (abi.Instance, error) {
//			return &counter{Of: keep.New("counter", 1, &state{Hits: map[string]int64{}})}, nil
//		},
//	}
//
// The handlers work on c.State(). docs/state.md lists what may change in the struct from one build to the next. New fields are
// zero after the first move, whatever New has set, so create a new map where it is first used.
//
// keep can't change the meaning of existing fields. When you need that, raise the version and give the instance an Import of
// its own that knows both.
package keep

import (
	"context"
	"fmt"

	"github.com/sohost/sohost/abi"
)

// Of holds a state of type T and implements abi.Stateful and abi.Adopter. It has no lock: the host calls these methods while
// no handler runs, and the plugin must synchronize its handlers itself.
type Of[T any] struct {
	schema  string
	version int
	state   *T
}

// New returns an Of with an initial state, which is used if no state is moved in. Schema and version must be those of the
// Prototype.
func New[T any](schema string, version int, initial *T) Of[T] {
	return Of[T]{schema, version, initial}
}

// Prototype returns the State field for the plugin's Descriptor.
func Prototype[T any](schema string, version int) abi.State {
	return abi.State{Schema: schema, Version: version, Value: (*T)(nil)}
}

// State returns the state. Import and Adopt may replace it, which happens before Start and before any handler runs.
func (o *Of[T]) State() *T { return o.state }

// Export returns a pointer to the state.
func (o *Of[T]) Export(context.Context) (abi.State, error) {
	return abi.State{Schema: o.schema, Version: o.version, Value: o.state}, nil
}

// Import accepts a state that the host has converted to *T. It rejects any other value, schema or version, and then keeps the
// state it has.
func (o *Of[T]) Import(_ context.Context, s abi.State) error {
	value, ok := s.Value.(*T)
	switch {
	case s.Schema != o.schema || s.Version != o.version:
		return fmt.Errorf("import state: have %s version %d, want %s version %d", s.Schema, s.Version, o.schema, o.version)
	case !ok || value == nil:
		return fmt.Errorf("import state: have a %T, want a %T", s.Value, o.state)
	}
	o.state = value
	return nil
}

// Adopt replaces the state by value, which must be a *T.
func (o *Of[T]) Adopt(value any) { o.state = value.(*T) }
