package instance

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/inflight"
	"github.com/sohost/sohost/internal/state"
)

// Way is how an instance has taken state.
type Way string

const (
	Reference Way = "reference" // the value itself, of a type that both sides share
	Adopt     Way = "adopt"     // the value itself, as the receiver's type
	Convert   Way = "convert"   // a copy, made field by field, of the receiver's type
	Import    Way = "import"    // a copy that was passed to Import
)

// Taken describes how an instance has accepted state.
type Taken struct {
	Way     Way
	Schema  string
	Version int
	state.Report
	state.Filled
	uncopied bool // Import got the giver's value itself
}

// GiversIsIntact reports whether the giver still has its value to itself.
func (t Taken) GiversIsIntact() bool { return t.Way != Reference && t.Way != Adopt && !t.uncopied }

// Hooks are called with a state before the plugin gets it. Each may be nil.
type Hooks struct {
	// Judge may refuse what the move would do. Then nothing has happened.
	Judge func(state.Report) error

	// Fill puts back what a converted value lacks.
	Fill func(*state.Part) (state.Filled, error)

	// Limit returns the context for what the plugin does with a state once it was decoded. Default: the one that the
	// decoding had.
	Limit func() (context.Context, context.CancelFunc)
}

func (h Hooks) judge(r state.Report) error {
	if h.Judge == nil {
		return nil
	}
	return h.Judge(r)
}

// fill returns the value with what it lacks put back.
func (h Hooks) fill(p state.Part) (any, state.Filled, error) {
	if h.Fill == nil || p.Complete() {
		return p.Value, state.Filled{}, nil
	}
	filled, err := h.Fill(&p)
	return p.Value, filled, err
}

// Stateful reports whether the plugin implements abi.Stateful, and so has state to move.
func (in *Instance) Stateful() bool {
	_, ok := in.value.(abi.Stateful)
	return ok
}

// Slip returns why an instance isn't Stateful although it seems to be meant to be: which of its methods has another
// signature than abi.Stateful wants. It is empty if there is no such method.
func (in *Instance) Slip() string {
	has := reflect.TypeOf(in.value)
	if has == nil || in.Stateful() {
		return ""
	}
	for want := range reflect.TypeFor[abi.Stateful]().Methods() {
		m, found := has.MethodByName(want.Name)
		if !found {
			continue
		}
		if got := signature(m.Type, 1); got != signature(want.Type, 0) {
			return fmt.Sprintf("its method %s is %s and should be %s", want.Name, got, signature(want.Type, 0))
		}
		for other := range reflect.TypeFor[abi.Stateful]().Methods() {
			if _, found := has.MethodByName(other.Name); !found {
				return fmt.Sprintf("it has a method %s, but no %s%s", want.Name, other.Name, signature(other.Type, 0)[len("func"):])
			}
		}
	}
	if p := reflect.PointerTo(has); has.Kind() != reflect.Pointer && p.Implements(reflect.TypeFor[abi.Stateful]()) {
		return fmt.Sprintf("a *%v is abi.Stateful, but New returned a %v", has, has)
	}
	return ""
}

// signature returns the type of a method without the receiver, which is among the first skip parameters.
func signature(t reflect.Type, skip int) string {
	var in, out []reflect.Type
	for i := skip; i < t.NumIn(); i++ {
		in = append(in, t.In(i))
	}
	for o := range t.Outs() {
		out = append(out, o)
	}
	return reflect.FuncOf(in, out, t.IsVariadic()).String()
}

// ConcurrentExport reports whether the plugin declares that Export may run beside calls.
func (in *Instance) ConcurrentExport() bool { return in.image.descriptor.ConcurrentExport }

// Export calls the plugin's Export, which must be Stateful. If wants is an earlier version of its state and the plugin
// can export that, Export asks for it and sets downgraded. The value belongs to the instance until the move has
// succeeded: the receiver must not change it.
func (in *Instance) Export(ctx context.Context, wants abi.State) (s abi.State, downgraded bool, err error) {
	has := in.image.descriptor.State
	down, ok := in.value.(abi.Downgrader)
	if ok && wants.Schema == has.Schema && 0 < wants.Version && wants.Version < has.Version {
		err = in.guard(ctx, inflight.ExportAs, func(ctx context.Context) (err error) {
			s, err = down.ExportAs(ctx, wants.Version)
			return err
		})
		return s, true, err
	}
	err = in.guard(ctx, inflight.Export, func(ctx context.Context) (err error) {
		s, err = in.value.(abi.Stateful).Export(ctx)
		return err
	})
	if err == nil {
		in.compareExport(s)
	}
	return s, false, err
}

// Accept gives state to a stateful instance: the value itself through Adopt, or a copy through Import. If shared is
// unset, nobody else uses the value, and Import gets it without a copy. A copy that would take more than o.MaxBytes is
// state.ErrLimit.
func (in *Instance) Accept(ctx context.Context, given abi.State, o state.Options, shared bool) (Taken, error) {
	return in.AcceptWith(ctx, given, o, shared, Hooks{})
}

// AcceptWith is Accept with hooks.
func (in *Instance) AcceptWith(ctx context.Context, given abi.State, o state.Options, shared bool, hooks Hooks) (t Taken, err error) {
	defer caught(&err)
	wants := in.image.descriptor.State
	t = Taken{Way: Import, Schema: given.Schema, Version: given.Version}
	if o.Deadline.IsZero() {
		o.Deadline, _ = ctx.Deadline()
	}
	part, report, fitErr := fit(given.Value, wants.Value, o)
	switch {
	case errors.Is(fitErr, state.ErrDeadline):
		return t, late(ctx, "conversion", fitErr)
	case errors.Is(fitErr, state.ErrLimit):
		return t, fitErr
	}
	if err := hooks.judge(report); err != nil {
		return t, err
	}
	fitted, filled, err := hooks.fill(part)
	if err != nil {
		return t, err
	}
	t.Filled = filled
	adopter, adopts := in.value.(abi.Adopter)
	if adopts && fitErr == nil && wants.Value != nil && given.Schema == wants.Schema && given.Version == wants.Version {
		t.Way, t.Report = Way(report.Way.String()), report
		return t, in.guard(ctx, inflight.Adopt, func(context.Context) error { adopter.Adopt(fitted); return nil })
	}
	s := given
	if fitErr == nil {
		s.Value = fitted
	}
	switch {
	case report.Way == state.ByConversion:
		t.Way = Convert
	case shared:
		copied, r, err := state.Copy(s.Value, o)
		switch {
		case err == nil:
			s.Value, report = copied, r
		case errors.Is(err, state.ErrDeadline):
			return t, late(ctx, "copy", err)
		case errors.Is(err, state.ErrLimit):
			return t, err
		default: // the value can't be copied, and Import gets it as it is, see abi.Stateful
			t.uncopied = true
		}
	}
	t.Report = report
	err = in.guard(ctx, inflight.Import, func(ctx context.Context) error { return in.value.(abi.Stateful).Import(ctx, s) })
	if err != nil && fitErr != nil { // the plugin knows only that the type isn't its own; the host knows why it could not make it so
		err = fmt.Errorf("the host could not convert the value: %w; given it as it is, the plugin says: %w", fitErr, err)
	}
	return t, err
}

// fit converts a value to the prototype's type. If there is no prototype, it returns the value as it is.
func fit(value, prototype any, o state.Options) (state.Part, state.Report, error) {
	if prototype == nil {
		return state.Whole(value), state.Report{}, nil
	}
	plan := state.Compare(reflect.TypeOf(value), reflect.TypeOf(prototype))
	moved, report, err := plan.Move(value, o)
	if err != nil {
		return state.Part{}, report, err
	}
	return plan.Part(moved), report, nil
}

// compareExport compares what Export has returned with what the descriptor says. After a crash, Import gets a state as the
// descriptor has it.
func (in *Instance) compareExport(s abi.State) {
	says := in.image.descriptor.State
	got, want := reflect.TypeOf(s.Value), reflect.TypeOf(says.Value)
	if want == nil || got == want && s.Schema == says.Schema && s.Version == says.Version {
		return
	}
	why := fmt.Sprintf("Export returns a %v of schema %q version %d, but Descriptor.State says %v of schema %q version %d: "+
		"after a restart, Import may not take the state; make the two the same", got, s.Schema, s.Version, want, says.Schema, says.Version)
	in.mismatch.Store(&why)
}

// Mismatch returns how what Export returned last differs from what the descriptor says; empty if it doesn't, or before the
// first Export. Any goroutine may call it.
func (in *Instance) Mismatch() string {
	if why := in.mismatch.Load(); why != nil {
		return *why
	}
	return ""
}

// Convert converts a value of another generation into the type that the instance takes, with what of it the other has.
func (in *Instance) Convert(value any, o state.Options) (_ state.Part, err error) {
	defer caught(&err)
	p, _, err := fit(value, in.image.descriptor.State.Value, o)
	return p, err
}

// late names the step that wasn't finished when ctx ended, which is about now, and returns why ctx ended.
func late(ctx context.Context, step string, err error) error {
	<-ctx.Done()
	return fmt.Errorf("%s of the state: %w (%w)", step, context.Cause(ctx), err)
}

// SnapshotState is CopyState for a state that is written to a stream soon, see state.Snapshot. end must be called once it was;
// it is nil after an error.
func SnapshotState(s abi.State, o state.Options) (_ abi.State, end func(), err error) {
	defer caught(&err)
	s.Value, _, end, err = state.Snapshot(s.Value, o)
	return s, end, err
}

// CopyState returns the state with a copy of its value. A copy that would take more than o.MaxBytes is state.ErrLimit, and
// one that isn't finished at o.Deadline state.ErrDeadline.
func CopyState(s abi.State, o state.Options) (_ abi.State, err error) {
	defer caught(&err)
	s.Value, _, err = state.Copy(s.Value, o)
	return s, err
}

// TakesBack reports whether this instance's state could be moved back to the generation that has given given.
func (in *Instance) TakesBack(given abi.State) bool {
	has := in.image.descriptor.State
	if _, ok := in.value.(abi.Downgrader); ok {
		return true
	}
	return has.Schema == given.Schema && has.Version == given.Version && has.Value != nil &&
		state.Compare(reflect.TypeOf(has.Value), reflect.TypeOf(given.Value)).Way != state.None
}

// errNoType is why a state can't be checkpointed of which only the plugin knows the type.
var errNoType = errors.New("the plugin's Descriptor.State names no type")
