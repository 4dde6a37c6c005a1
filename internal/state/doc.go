// Package state moves the state of a plugin from one generation to the next without ever calling the plugin: by reference,
// by adopting the memory as it is, by converting it field by field, or through a CBOR stream.
//
// Its limits: a type that a plugin declares is a different type in each generation, so nothing shows whether the two mean
// the same. The package compares their layouts and the names of their fields, never their meaning; a change of
// meaning alone is what abi.State.Version is for. It also can't see what reflection doesn't show: the variables captured
// by a closure, finalizers, and goroutines that still write to the state. The caller stops the giver first.
//
// Reading order: plan.go (which way a pair of types goes), layout.go and verify.go (when memory may change hands),
// fit.go and mover.go (converting a value to another type), encode.go and decode.go (between processes).
package state
