package instance

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"runtime/debug"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/state"
)

// AcceptStream decodes state that Encode has written and gives it to the instance, which must be Checkpointable. State
// that would take more than o.MaxBytes of memory is an error.
func (in *Instance) AcceptStream(ctx context.Context, r io.Reader, o state.Options) (Taken, error) {
	return in.AcceptStreamWith(ctx, r, o, Hooks{})
}

// AcceptStreamWith is AcceptStream with hooks.
func (in *Instance) AcceptStreamWith(ctx context.Context, r io.Reader, o state.Options, hooks Hooks) (t Taken, err error) {
	d, err := in.DecodeStream(r, o)
	if err != nil {
		return Taken{}, err
	}
	return in.AcceptDecoded(ctx, d, o, hooks)
}

// Decoded is a state that was decoded for an instance and that the plugin hasn't got yet.
type Decoded struct {
	abi.State
	part   state.Part
	report state.Report
}

// DecodeStream is the first half of AcceptStreamWith, which calls none of the plugin's own code but decoding methods of its types.
// It may be called by any goroutine.
func (in *Instance) DecodeStream(r io.Reader, o state.Options) (d Decoded, err error) {
	d.State, d.part, d.report, err = in.Decode(r, o)
	return d, err
}

// AcceptDecoded is the second half of AcceptStreamWith.
func (in *Instance) AcceptDecoded(ctx context.Context, d Decoded, o state.Options, hooks Hooks) (t Taken, err error) {
	defer caught(&err)
	s, part, report := d.State, d.part, d.report
	if hooks.Limit != nil {
		var cancel context.CancelFunc
		ctx, cancel = hooks.Limit()
		defer cancel()
	}
	if ctx.Err() != nil { // or Adopt or Import would be called too slow
		return Taken{}, fmt.Errorf("reading of the state, %d entries: %w", report.Entries, context.Cause(ctx))
	}
	if err := hooks.judge(report); err != nil {
		return Taken{}, err
	}
	var filled state.Filled
	if s.Value, filled, err = hooks.fill(part); err != nil {
		return Taken{}, err
	}
	if t, err = in.Accept(ctx, s, o, false); err != nil {
		return Taken{}, err
	}
	t.Report, t.Filled = report, filled
	return t, nil
}

// Decode decodes state that Encode has written, into the type that the instance takes, with what of it the stream has.
func (in *Instance) Decode(r io.Reader, o state.Options) (_ abi.State, _ state.Part, _ state.Report, err error) {
	defer caught(&err)
	prototype := reflect.TypeOf(in.image.descriptor.State.Value)
	return state.DecodePart(r, prototype, state.DecodeOptions{MaxMemory: o.MaxBytes})
}

// Encode writes a state as a stream. A state that AcceptStream could not read again within maxBytes is state.ErrLimit. A panic in an encoding method of the plugin's types is an error, and so is a read of
// memory that isn't there, which can happen if a value in a keep.Map is changed in place.
func Encode(w io.Writer, s abi.State, maxBytes int64) error {
	_, err := EncodeCounted(w, s, maxBytes)
	return err
}

// EncodeCounted is Encode, and returns how much of maxBytes the state takes.
func EncodeCounted(w io.Writer, s abi.State, maxBytes int64) (counted int64, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer caught(&err)
	return state.EncodeCounted(w, s, state.DecodeOptions{MaxMemory: maxBytes})
}

// Verify decodes a stream into the type of the instance's state, and forgets the result. The error is that of AcceptStream
// with a stream that can't be decoded.
func (in *Instance) Verify(r io.Reader, maxBytes int64) (err error) {
	defer caught(&err)
	_, _, err = state.Decode(r, reflect.TypeOf(in.image.descriptor.State.Value), state.DecodeOptions{MaxMemory: maxBytes})
	return err
}

// Checkpointable reports whether the instance has state that can be written to a checkpoint and read again.
func (in *Instance) Checkpointable() bool { return in.Stateful() && in.Uncheckpointable() == nil }

// Predictable reports whether the type of the instance's state shows whether a state can be written to a stream, whatever
// its value.
func (in *Instance) Predictable() bool {
	prototype := in.image.descriptor.State.Value
	return prototype != nil && state.Predictable(reflect.TypeOf(prototype))
}

// Uncheckpointable returns why a stateful instance's state can't be checkpointed, or nil if it can or if there is none.
// The Descriptor must name the state's type, because a checkpoint can't be read without it.
func (in *Instance) Uncheckpointable() error {
	if !in.Stateful() {
		return nil
	}
	prototype := in.image.descriptor.State.Value
	if prototype == nil {
		return errNoType
	}
	return state.Encodable(reflect.TypeOf(prototype))
}

// DescribeState returns a description of the type of the instance's state, for state.CompareDescribed in another process. It
// is nil if there is none or the type isn't known.
func (in *Instance) DescribeState() []byte {
	if !in.Stateful() {
		return nil
	}
	return state.Describe(reflect.TypeOf(in.image.descriptor.State.Value))
}
