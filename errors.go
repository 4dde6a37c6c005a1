package sohost

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/blame"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/ledger"
	"github.com/sohost/sohost/native"
)

// Returned by Call and by all calls that change something. Calls that only read go on working.
var (
	// ErrClosed is returned when the Host was closed.
	ErrClosed = errors.New("host is closed")

	// ErrHandedOver is returned when another process has the plugins now, see Host.Give: ask that.
	ErrHandedOver = errors.New("another process serves the plugins now")

	// ErrUnknownPlugin is returned when no plugin has the name that was asked for.
	ErrUnknownPlugin = errors.New("unknown plugin")
)

// Returned by Deploy and Rollback, or found in Status as the reason of a Refusal.
var (
	// ErrABIVersion is returned when a plugin was written for another version of the contract.
	ErrABIVersion = instance.ErrABIVersion

	// ErrNoHandler is returned when an instance implements none of the handlers of package abi.
	ErrNoHandler = instance.ErrNoHandler

	// ErrTooSlow is returned when a plugin's code has not returned within its time limit, see Options.
	ErrTooSlow = errors.New("over its time limit")

	// ErrQuarantined is returned when an image has ended a process before.
	ErrQuarantined = blame.ErrQuarantined

	// ErrLeftOut is the reason why a plugin serves nothing after many crashes.
	ErrLeftOut = errors.New("left out")

	// ErrNothingToRollBack is returned when there is no earlier release to go back to.
	ErrNothingToRollBack = ledger.ErrNothingBefore
)

// PanicError is a panic in a plugin's code that the host has caught: its Value and the Stack of the goroutine. Unwrap returns
// the value if that is an error.
type PanicError = instance.PanicError

// Refusal says why an image was not taken. The generation that served goes on serving, with its state.
type Refusal struct {
	Plugin string         `json:"plugin"`
	Source string         `json:"source"`         // the file the image came from
	Image  generations.ID `json:"image,omitzero"` // zero if the file could not be read
	Phase  Phase          `json:"phase"`          // the step that failed
	Serves generations.ID `json:"serves,omitzero"`
	Time   time.Time      `json:"time"`

	// Reasons are those of the check; the other phases have one, which is Err.
	Reasons []native.Reason `json:"reasons,omitempty"`
	Message string          `json:"message"`
	Err     error           `json:"-"`
}

// because returns the refusal with its reason.
func (r Refusal) because(phase Phase, err error) *Refusal {
	r.Phase, r.Message, r.Err = phase, err.Error(), err
	var rejection *native.Rejection
	if errors.As(err, &rejection) {
		r.Reasons = rejection.Reasons
	}
	return &r
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

// Unwrap returns the reason.
func (r *Refusal) Unwrap() error { return r.Err }
