package control

import (
	"errors"
	"net/http"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
)

// ErrStopping is returned when the server ends before it has done what was asked.
var ErrStopping = errors.New("the server is stopping")

// Code says what kind of failure a Failure is, for programs.
type Code string

const (
	CodeRefused           Code = "refused"              // an image was not taken; Failure.Refusal says why
	CodeUnknownPlugin     Code = "unknown_plugin"       // sohost.ErrUnknownPlugin
	CodeNoRelease         Code = "no_release"           // generations.ErrNoRelease
	CodeNothingToRollBack Code = "nothing_to_roll_back" // sohost.ErrNothingToRollBack
	CodeNotQuarantined    Code = "not_quarantined"      // generations.ErrNotQuarantined
	CodeUnknownTrigger    Code = "unknown_trigger"      // sohost.ErrUnknownTrigger
	CodeHandedOver        Code = "handed_over"          // sohost.ErrHandedOver; with status 421
	CodeStopping          Code = "stopping"             // ErrStopping
	CodeWorkerDied        Code = "worker_died"          // the worker died over the request; with status 502
	CodeInvalid           Code = "invalid"              // the request makes no sense; with status 400 or 409
	CodeForbidden         Code = "forbidden"            // the peer is another user; with status 403
	CodeFailed            Code = "failed"               // anything else
)

// sentinels are the errors that have a code of their own.
var sentinels = []struct {
	err  error
	code Code
}{
	{sohost.ErrUnknownPlugin, CodeUnknownPlugin},
	{generations.ErrNoRelease, CodeNoRelease},
	{sohost.ErrNothingToRollBack, CodeNothingToRollBack},
	{generations.ErrNotQuarantined, CodeNotQuarantined},
	{sohost.ErrUnknownTrigger, CodeUnknownTrigger},
	{sohost.ErrHandedOver, CodeHandedOver},
	{ErrStopping, CodeStopping},
}

// Failure is the body of an answer that is not a success. It matches, by errors.Is, the error that its Code stands for.
type Failure struct {
	Code    Code            `json:"code"`
	Message string          `json:"error"`
	Refusal *sohost.Refusal `json:"refusal,omitempty"`
}

func (f *Failure) Error() string { return f.Message }

// Is reports whether target is the error that the code stands for.
func (f *Failure) Is(target error) bool {
	for _, s := range sentinels {
		if s.code == f.Code {
			return s.err == target
		}
	}
	return false
}

// newFailure describes err. A Failure in its chain is taken as it is, but for a Code that is missing.
func newFailure(err error) *Failure {
	f := new(Failure)
	if !errors.As(err, &f) {
		f = &Failure{Message: err.Error()}
		errors.As(err, &f.Refusal)
	}
	if f.Code != "" {
		return f
	}
	coded := *f
	coded.Code = codeOf(err, f.Refusal)
	return &coded
}

func codeOf(err error, refusal *sohost.Refusal) Code {
	if refusal != nil {
		return CodeRefused
	}
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			return s.code
		}
	}
	return CodeFailed
}

// status is the HTTP status of the failure when its origin says no other.
func (f *Failure) status() int {
	if f.Code == CodeHandedOver {
		return http.StatusMisdirectedRequest
	}
	return http.StatusConflict
}
