package systemd

import (
	"errors"
	"fmt"
)

// ErrUnusable is returned when systemd passed a socket that the server can't use. The error is a *SocketError, or several
// of them joined.
var ErrUnusable = errors.New("unusable socket from systemd")

// A SocketError describes a socket that can't be used, and what its unit should say instead.
type SocketError struct {
	Name  string // as systemd gave it: FileDescriptorName, or the name of the socket unit; "" if it gave none
	FD    int    // as systemd numbered it, from 3
	Found string // such as "is a datagram socket"
	Want  string // what the socket unit should do, such as "say Accept=no"
}

func (e *SocketError) Error() string {
	name := "without a name"
	if e.Name != "" {
		name = fmt.Sprintf("%q", e.Name)
	}
	return fmt.Sprintf("socket %s from systemd (descriptor %d) %s: its socket unit should %s", name, e.FD, e.Found, e.Want)
}

// Is makes a SocketError match ErrUnusable.
func (e *SocketError) Is(target error) bool { return target == ErrUnusable }
