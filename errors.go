package sohost

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/native"
)

// Returned by any call.
var (
	// ErrClosed is returned when the Host was closed.
	ErrClosed = errors.New("host is closed")

	// ErrHandedOver is returned when another process has the plugins now, see Host.Give: ask that.
	ErrHandedOver = errors.New("another process serves the plugins now")

	// ErrUnknownPlugin is returned when no plugin has the name that was asked for.
	ErrUnknownPlugin = errors.New("unknown plugin")
)

// Returned by Deploy and Rollback.
var (
	// ErrABIVersion is returned when a plugin was written for another version of the contract.
	ErrABIVersion = errors.New("another version of the contract")

	// ErrNoHandler is returned when an instance implements none of the handlers of package abi.
	ErrNoHandler = errors.New("instance handles nothing")

	// ErrTooSlow is returned when a plugin's code has not returned within its time limit, see Options.
	ErrTooSlow = errors.New("over its time limit")

	// ErrQuarantined is returned when an image has ended a process before.
	ErrQuarantined = errors.New("in quarantine")

	// ErrSuspended tells why a plugin serves nothing after many crashes.
	ErrSuspended = errors.New("suspended")

	// ErrNothingToRollBack is returned when there is no earlier release to go back to.
	ErrNothingToRollBack = errors.New("no earlier release")
)

// Refusal says why an image was not taken. The generation that served goes on serving, with its state.
type Refusal struct {
	Plugin string         `json:"plugin"`
	Source string         `json:"source"`         // the file the image came from
	Image  generations.ID `json:"image,omitzero"` // zero if the file could not be read
	Phase  string         `json:"phase"`          // the step that failed: store, check, probe, open, new, drain, state, start or handover
	Serves generations.ID `json:"serves,omitzero"`
	Time   time.Time      `json:"time"`

	// Reasons are those of the check; the other phases have one, which is Err.
	Reasons []native.Reason `json:"reasons,omitempty"`
	Message string          `json:"message"`
	Err     error           `json:"-"`
}

func (r *Refusal) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "plugin %s: %s", r.Plugin, r.Source)
	if !r.Image.IsZero() {
		fmt.Fprintf(&b, " (%s)", r.Image.Short())
	}
	fmt.Fprintf(&b, " was refused at %s; ", r.Phase)
	if r.Serves.IsZero() {
		b.WriteString("nothing serves yet")
	} else {
		fmt.Fprintf(&b, "%s serves on", r.Serves.Short())
	}
	fmt.Fprintf(&b, ": %s", r.Message)
	return b.String()
}

func (r *Refusal) Unwrap() error { return r.Err }
