package abi

import "context"

// State is what one generation of a plugin hands to the next.
//
// A type that the plugin declares is a different type in each generation, even if its source is the same. If the two types
// are similar enough, the host converts the value to the type in the receiver's Descriptor.State, so that the receiver's
// type assertion succeeds. Types that both generations share need no conversion: builtin types, those of the standard
// library and of this package, and maps, slices, pointers and so on of these.
type State struct {
	// Schema names the form of Value. Import rejects a Schema that it doesn't know.
	Schema string

	// Version counts the changes to that form, starting at 1. Import decides which versions it can read.
	Version int

	// Value is the state itself.
	Value any
}

// Stateful is implemented by an instance whose state outlives its code.
type Stateful interface {
	// Export returns the state. Unless Descriptor.ConcurrentExport is set, no handler runs and the work of Start has been
	// stopped. From here on the instance must not change the value until one of its methods is called again, which happens
	// if the move fails; it then continues with the state it has.
	Export(ctx context.Context) (State, error)

	// Import accepts the state of another generation, older or (after a rollback) newer, or of a checkpoint. The value is
	// the receiver's own copy, to keep and to change: after an error the giver continues with its own. A value that can't be
	// copied, because it holds functions or channels, is the giver's value itself, and Import must not change it before
	// it is certain to succeed.
	//
	// The value has the type of Descriptor.State.Value if the host could convert it. Otherwise, and whenever the Schema or
	// the Version is not the receiver's, Import decides what to do with it.
	Import(ctx context.Context, s State) error
}

// Adopter is implemented by a Stateful instance that accepts any value of its own type without checking it. The host then
// calls Adopt instead of Import whenever Schema and Version are the receiver's, and moves even a large state without copying
// it.
type Adopter interface {
	// Adopt stores value, which has the type of the plugin's Descriptor.State.Value, and does nothing else: it can't fail,
	// and until the flip the giver may get the value back.
	Adopt(value any)
}

// Downgrader is implemented by a Stateful instance that can express its state in an older form. The host uses it when a
// rollback goes to a generation whose Descriptor.State has a lower Version of the same Schema.
type Downgrader interface {
	// ExportAs returns the state in the form of the given version, or an error if that is impossible.
	ExportAs(ctx context.Context, version int) (State, error)
}
