// Package keep writes the methods of abi.Stateful for an instance whose state is one struct of its own. It is compiled into
// the plugin and is no part of the contract: plugins with different versions of it live side by side.
//
//	type state struct {
//		Hits map[string]int64
//	}
//
//	type counter struct {
//		keep.Of[state]
//		mu sync.Mutex
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
// The handlers work on c.State(). What may change in the struct from one build to the next is in docs/state.md: fields that
// are new are zero after the first move, whatever New has set, so a new map must be made where it is first used.
//
// What keep can't do is to change the meaning of what is there. When that is needed, raise the version and give the instance
// an Import of its own, which knows both.
package keep

import (
	"context"
	"fmt"

	"github.com/sohost/sohost/abi"
)

// Of holds a state of type T, and implements abi.Stateful and abi.Adopter with it. It has no lock: the host calls these
// methods while no handler runs, and the handlers of a plugin must agree among themselves.
type Of[T any] struct {
	schema  string
	version int
	state   *T
}

// New is for the instance's New: initial is the state if there is none to take over. Schema and version are those of the
// Prototype.
func New[T any](schema string, version int, initial *T) Of[T] {
	return Of[T]{schema, version, initial}
}

// Prototype is for the State of the plugin's Descriptor.
func Prototype[T any](schema string, version int) abi.State {
	return abi.State{Schema: schema, Version: version, Value: (*T)(nil)}
}

// State is the state. It may be another one after Import and Adopt, which is before Start and before any handler runs.
func (o *Of[T]) State() *T { return o.state }

// Export gives the state away, by pointer.
func (o *Of[T]) Export(context.Context) (abi.State, error) {
	return abi.State{Schema: o.schema, Version: o.version, Value: o.state}, nil
}

// Import takes over a state that the host has made a *T of. It refuses any other, and other schemas and versions, and then
// keeps what it has.
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

// Adopt takes over value, a *T.
func (o *Of[T]) Adopt(value any) { o.state = value.(*T) }
