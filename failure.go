package sohost

import (
	"context"
	"errors"

	"github.com/sohost/sohost/generations"
)

// failure is the reason why a candidate can't serve.
type failure struct {
	candidate     *candidate
	phase         Phase
	needsHandover bool // the image may load in a process that hasn't opened what this one has
	err           error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// refusal returns the failure as a Refusal, the form in which it is reported.
func (f *failure) refusal() *Refusal {
	c := f.candidate
	return Refusal{
		Plugin: c.plugin.Name, Source: c.file, Image: c.move.To, Serves: c.move.From, Time: c.move.Time, Changed: c.move.Changed,
	}.because(f.phase, f.err)
}

// momentary reports whether an error says nothing about the image: the file was being written, or ctx, which is the
// caller's, has ended. It is worth another try and not recorded as a refusal.
func momentary(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, generations.ErrChanged)
}
