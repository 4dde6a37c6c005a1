package abi

import "context"

// State is what one generation of a plugin hands to the next.
//
// Values of types that both generations share (builtin types, those of the standard library and of this package, and maps,
// slices, pointers and the like of these) move by reference, whatever their size. A value of a type that the plugin declares
// itself has another type in each generation, even if its text is the same: a type assertion to it fails in Import, unless
// the host has made the value over to the type named in the receiver's Descriptor.State.
type State struct {
	// Schema names the form of Value. Import refuses a Schema that it doesn't know.
	Schema string

	// Version counts the changes to that form, starting at 1. Import decides which it can read.
	Version int

	// Value is the state itself.
	Value any
}

// Stateful is implemented by an instance whose state outlives its code.
type Stateful interface {
	// Export gives the state away. No handler runs and Start's work has been stopped, unless
	// Descriptor.ConcurrentExport is set. The instance must not change the value from here on, until one of its methods
	// is called again: that happens when the move fails, and then it goes on with the state it has.
	Export(ctx context.Context) (State, error)

	// Import takes over the state of another generation, older or (after a rollback) newer. The value may still be
	// referred to by the generation that gave it: Import keeps it or reads it, and changes nothing in it, so that after
	// an error the giver can go on. From the return of nil on, the state is the receiver's.
	Import(ctx context.Context, s State) error
}

// Adopter is implemented by a Stateful instance that can take over a value of its own type as it stands, with nothing to
// decide: the host then moves even a large state without copying it.
type Adopter interface {
	// Adopt stores value, which has the type of the plugin's Descriptor.State.Value, and does nothing else.
	Adopt(value any)
}

// Downgrader is implemented by a Stateful instance that can express its state in an older form. It is asked to when a
// rollback goes to a generation whose Descriptor.State has a lower Version of the same Schema.
type Downgrader interface {
	// ExportAs is Export in the form of version, or an error if that can't be done.
	ExportAs(ctx context.Context, version int) (State, error)
}
