package state

import "time"

// Changes lists the paths of the fields that differ between giver and receiver.
type Changes struct {
	Added   []string `json:"added,omitempty"`   // zero in the receiver
	Removed []string `json:"removed,omitempty"` // lost
	Renamed []string `json:"renamed,omitempty"` // state.old → new
	Retyped []string `json:"retyped,omitempty"` // state.hits: int32 → int64
}

// Report describes what a move did.
type Report struct {
	Way Way `json:"way"`
	Changes

	// Emptied lists the structs of which a conversion keeps no field, although they had some.
	Emptied []string `json:"emptied,omitempty"`

	// Unlocked lists the locks that were held and are free now, see Options.Quiet.
	Unlocked []string `json:"unlocked,omitempty"`

	// Entries is the number of map entries and slice elements that were copied, at every level. It is zero if nothing was
	// copied.
	Entries int64 `json:"entries"`

	// Bytes is approximately the memory that was allocated for the copy.
	Bytes int64 `json:"bytes"`

	Elapsed time.Duration `json:"elapsed"`
}
