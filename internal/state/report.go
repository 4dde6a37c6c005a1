package state

import "time"

// Changes lists the fields that are not the same on both sides, by their paths.
type Changes struct {
	Added   []string `json:"added,omitempty"`   // zero in the receiver
	Removed []string `json:"removed,omitempty"` // lost
	Renamed []string `json:"renamed,omitempty"` // state.old → new
	Retyped []string `json:"retyped,omitempty"` // state.hits: int32 → int64
}

// Report says what a move did.
type Report struct {
	Way Way `json:"way"`
	Changes

	// Entries is the number of map entries and slice elements that were copied, at every level. Zero if nothing was.
	Entries int64 `json:"entries"`

	// Bytes is about the memory that was allocated for the copy.
	Bytes int64 `json:"bytes"`

	Elapsed time.Duration `json:"elapsed"`
}
