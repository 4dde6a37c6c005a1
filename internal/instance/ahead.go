package instance

import (
	"context"
	"errors"
	"reflect"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/state"
)

// GoesAhead reports whether something of the instance's state can go to another process while calls change it, see state.Ahead:
// its Export may be called beside calls, because it only returns where the state is.
func (in *Instance) GoesAhead() bool {
	return in.exportsLive() && state.GoesAhead(reflect.TypeOf(in.image.descriptor.State.Value), !in.Starts())
}

// Track calls the plugin's Export beside the calls, and begins to note what changes of the state. The result is nil if nothing of it
// can go ahead. Its End must be called. GoesAhead must be true. Go maps go ahead if they count and the plugin has no background work,
// which might change them.
func (in *Instance) Track(ctx context.Context, goMaps bool) (a *state.Ahead, s abi.State, err error) {
	if s, _, err = in.Export(ctx, abi.State{}); err != nil {
		return nil, s, err
	}
	if reflect.TypeOf(s.Value) != reflect.TypeOf(in.image.descriptor.State.Value) {
		return nil, s, nil // see compareExport
	}
	return state.Track(s.Value, goMaps && !in.Starts()), s, nil
}

// ErrBusy is returned when goroutines that the instance has begun by its host's Go may use the state.
var ErrBusy = errors.New("goroutines of the plugin run")

// Read reads Go maps of a state that Track has returned, see state.Ahead. No call may run.
func (in *Instance) Read(a *state.Ahead, until time.Time) (done bool, err error) {
	in.tasks.mu.Lock()
	running := in.tasks.running
	in.tasks.mu.Unlock()
	if running > 0 { // and if none does, none begins, because only calls and others begin one
		return false, ErrBusy
	}
	return a.Read(until)
}

// With returns the state with the entries that have changed, and without those that are gone, which came later: see state.Merge.
// All three are of the instance that decoded them.
func (d Decoded) With(changed Decoded) (_ Decoded, err error) {
	defer caught(&err)
	changed.Value = state.Merge(d.Value, changed.Value)
	changed.part = state.Whole(changed.Value)
	changed.report.Entries += d.report.Entries
	changed.report.Bytes += d.report.Bytes
	changed.report.Elapsed += d.report.Elapsed
	return changed, nil
}

// Without removes the entries that are gone.
func (d Decoded) Without(gone Decoded) (err error) {
	defer caught(&err)
	state.Without(d.Value, gone.Value)
	return nil
}
