package instance

import (
	"context"
	"reflect"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/state"
)

// GoesAhead reports whether something of the instance's state can go to another process while calls change it, see state.Ahead:
// its Export may be called beside calls, because it only returns where the state is.
func (in *Instance) GoesAhead() bool {
	return in.exportsLive() && state.GoesAhead(reflect.TypeOf(in.image.descriptor.State.Value))
}

// Track calls the plugin's Export beside the calls, and begins to note what changes of the state. The result is nil if nothing of it
// can go ahead. Its End must be called. GoesAhead must be true.
func (in *Instance) Track(ctx context.Context) (a *state.Ahead, s abi.State, err error) {
	if s, _, err = in.Export(ctx, abi.State{}); err != nil {
		return nil, s, err
	}
	if reflect.TypeOf(s.Value) != reflect.TypeOf(in.image.descriptor.State.Value) {
		return nil, s, nil // see compareExport
	}
	return state.Track(s.Value), s, nil
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
