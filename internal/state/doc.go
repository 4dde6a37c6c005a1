// Package state moves the state of a plugin from one generation to the next without ever calling the plugin: by reference,
// by adopting the memory as it stands, by converting it field by field, or through a stream of CBOR.
//
// What it can't do: a type that a plugin declares is another type in each generation, so nothing tells whether the two mean
// the same. The package compares how they are laid out and what their fields are called, never what is meant; a change of
// meaning alone is what abi.State.Version is for. It does not see what reflection doesn't show either: the variables that a
// closure holds, finalizers, and whether some goroutine still writes to the state. The caller stops the giver first.
//
// Reading order: plan.go (which way a pair of types goes), layout.go and verify.go (when memory may change hands),
// fit.go and convert.go (one type's value as another's), encode.go and decode.go (between processes).
package state
