package state

import (
	"errors"
	"reflect"
	"strings"
)

var (
	// ErrRefused is returned when a value or type can't be moved. Nothing was changed. The error is a *Refusal.
	ErrRefused = errors.New("state refused")

	// ErrCorrupt is returned by Decode and ReadHeader when the stream is truncated, altered, or wasn't written by Encode.
	ErrCorrupt = errors.New("state stream is corrupt")

	// ErrLimit is returned when a move, copy or Decode needs more memory than its options allow, or a stream is too long.
	ErrLimit = errors.New("state exceeds the limit")

	// ErrDeadline is returned when a move or copy isn't finished at the deadline in its options. Nothing was changed.
	ErrDeadline = errors.New("the state could not be copied in time")
)

// Reason is one obstacle and its place: state.byKey[].hits is the field hits of the elements of the field byKey. [key] stands
// for the keys of a map, and pointers are not shown.
type Reason struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

func (r Reason) String() string { return r.Path + ": " + r.Text }

// Refusal holds every reason that was found. It matches ErrRefused.
type Refusal struct {
	From, To reflect.Type // To is nil if there is no second type; From is nil if it was read from a stream
	Reasons  []Reason
}

func (e *Refusal) Error() string {
	text := make([]string, len(e.Reasons))
	for i, r := range e.Reasons {
		text[i] = r.String()
	}
	return ErrRefused.Error() + ": " + strings.Join(text, "; ")
}

func (e *Refusal) Is(target error) bool { return target == ErrRefused }

// root is the beginning of every path.
const root = "state"
