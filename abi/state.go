package abi

import "context"

// State is what one generation of a plugin hands to the next.
//
// A type that the plugin declares itself is another type in each generation, even if its text is the same. So the host makes
// the value over to the type that the receiver's Descriptor.State names, if the two are alike enough, and the receiver's
// type assertion holds. Types that both generations share (builtin types, those of the standard library and of this
// package, and maps, slices, pointers and the like of these) need no making over.
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

	// Import takes over the state of another generation, older or (after a rollback) newer, or of a checkpoint. The
	// value is a copy of the receiver's own, to keep and to change: after an error the giver goes on with its. Where no
	// copy can be made, of a value that holds functions or channels, it is the giver's value itself, and Import must not
	// change it before it is sure to succeed.
	//
	// The value has the type of Descriptor.State.Value if the host could make it over. Otherwise, and whenever the
	// Schema or the Version is not the receiver's, it is for Import to decide.
	Import(ctx context.Context, s State) error
}

// Adopter is implemented by a Stateful instance that can take over a value of its own type as it stands, with nothing to
// decide. The host then calls Adopt in place of Import whenever Schema and Version are the receiver's, and moves even a
// large state without copying it.
type Adopter interface {
	// Adopt stores value, which has the type of the plugin's Descriptor.State.Value, and does nothing else: it can't
	// fail, and until the flip the giver may get the value back.
	Adopt(value any)
}

// Downgrader is implemented by a Stateful instance that can express its state in an older form. It is asked to when a
// rollback goes to a generation whose Descriptor.State has a lower Version of the same Schema.
type Downgrader interface {
	// ExportAs is Export in the form of version, or an error if that can't be done.
	ExportAs(ctx context.Context, version int) (State, error)
}
