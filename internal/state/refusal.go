package state

import (
	"errors"
	"reflect"
	"strings"
)

var (
	// ErrRefused is matched by the error of every call that finds a value or a type which can't be moved. Nothing was
	// changed.
	ErrRefused = errors.New("state refused")

	// ErrCorrupt is matched by the error of Decode when the stream is torn, altered, or not one that Encode wrote.
	ErrCorrupt = errors.New("state stream is corrupt")

	// ErrLimit is matched by the error of a move or Decode that needs more memory than its options allow.
	ErrLimit = errors.New("state exceeds the limit")
)

// Reason is one obstacle, with the place at which it stands: state.byKey[].hits is the field hits of the elements of the
// field byKey; [key] stands for the keys of a map, and pointers are not shown.
type Reason struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

func (r Reason) String() string { return r.Path + ": " + r.Text }

// Refusal carries every reason that was found. It matches ErrRefused.
type Refusal struct {
	From, To reflect.Type // To is nil when no second type is involved; From, when it was read from a stream
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

// root is what every path begins with.
const root = "state"
