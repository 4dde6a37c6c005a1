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

// Errors of Call and of everything that changes something. Methods that only read go on working.
var (
	// ErrClosed is returned after Close was called.
	ErrClosed = errors.New("host is closed")

	// ErrHandedOver is returned after another process has taken the plugins over (see Host.Give).
	ErrHandedOver = errors.New("another process serves the plugins now")

	// ErrUnknownPlugin is returned when there is no plugin of that name.
	ErrUnknownPlugin = errors.New("unknown plugin")
)

// Reasons for a Refusal, as returned by Deploy and Rollback or found in Status. ErrNothingToRollBack alone is returned
// by Rollback without a Refusal.
var (
	// ErrABIVersion is returned when a plugin was built for another version of the contract, package abi.
	ErrABIVersion = instance.ErrABIVersion

	// ErrExclusive is returned when a plugin's Descriptor sets Exclusive, and its instance has no Start and Stop.
	ErrExclusive = instance.ErrExclusive

	// ErrNoHandler is returned when an instance implements none of the handler interfaces that package abi names, or a
	// Descriptor has no New.
	ErrNoHandler = instance.ErrNoHandler

	// ErrNotImplemented is returned when an instance doesn't implement what Options.Require demands of it, or what the function
	// Call asks for. The error names the methods that it lacks.
	ErrNotImplemented = instance.ErrNotImplemented

	// ErrTooSlow is returned when a plugin's code, or the calls that a stateful reload waits for, took longer than
	// Options allow.
	ErrTooSlow = instance.ErrTooSlow

	// ErrQuarantined is returned when an image is in quarantine because it has crashed a process. See LiftQuarantine.
	ErrQuarantined = blame.ErrQuarantined

	// ErrLeftOut is why a plugin's current image was not booted: processes keep crashing, and it may be the reason. It is tried
	// again at Refusal.Retry, or when it is deployed. Until then the confirmed image serves, if that is another. See
	// Process.CrashesInARow.
	ErrLeftOut = errors.New("left out")

	// ErrUnwritable is returned when a plugin's state can't be written to a stream, so that no handover can move it to
	// another process. The error names the plugin and the place in its state. Everything serves on.
	ErrUnwritable = errors.New("its state can't be written to a stream, so it can't move to another process; everything serves on")

	// ErrNothingToRollBack is returned when there is no earlier release to go back to.
	ErrNothingToRollBack = ledger.ErrNothingBefore
)

// PanicError is a panic in a plugin's code that the host has caught. Value is the panic's value and Stack the stack of
// its goroutine. Unwrap returns the value if it is an error.
type PanicError = instance.PanicError

// Refusal describes why an image was not taken. The generation that served before keeps serving, with its state.
type Refusal struct {
	Plugin string         `json:"plugin"`
	Source string         `json:"source"`          // the file that the image came from
	Image  generations.ID `json:"image,omitzero"`  // zero if the file could not be read
	Phase  Phase          `json:"phase"`           // the step that failed
	Serves generations.ID `json:"serves,omitzero"` // zero if nothing does
	Time   time.Time      `json:"time"`            // when the reload began

	// Reasons lists everything that the check found wrong, if that is why the image was refused. Err is the reason in
	// any case, and Message its text. Err is nil in a Refusal that was decoded from JSON.
	Reasons []native.Reason `json:"reasons,omitempty"`
	Message string          `json:"message"`
	Err     error           `json:"-"`

	// Retry is when the host tries the image again by itself, because it ended a process, was left out for having perhaps
	// done so, or failed at the boot; zero if it doesn't. Tries is how often it has done so already.
	Retry time.Time `json:"retry,omitzero"`
	Tries int       `json:"tries,omitempty"`

	// Changed lists the settings of the process that the image's code has changed before it was refused. Those that
	// were not set back are a reason for a handover.
	Changed []Change `json:"changed,omitempty"`
}

// because returns a copy of the refusal with its phase and reason filled in.
func (r Refusal) because(phase Phase, err error) *Refusal {
	r.Phase, r.Message, r.Err = phase, err.Error(), err
	var rejection *native.Rejection
	if errors.As(err, &rejection) {
		r.Reasons = rejection.Reasons
	}
	var quarantined *blame.QuarantinedError
	if errors.As(err, &quarantined) {
		r.Retry, r.Tries = quarantined.Next, quarantined.Tries
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
	for _, c := range r.Changed {
		fmt.Fprintf(&b, "\nmeanwhile a setting of the process has changed: %s", c)
	}
	return b.String()
}

// Unwrap returns Err.
func (r *Refusal) Unwrap() error { return r.Err }
