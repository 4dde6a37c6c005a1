package sohost

import (
	"context"
	"fmt"
	"slices"

	"github.com/sohost/sohost/generations"
)

// Deploy loads images and makes them current in one release, all of them or none. images maps the names of plugins to files;
// "" stands for the plugin's configured image. An image that serves already is left as it is.
//
// It blocks until the new generations serve, at most for the time that their code may take (see Options). The old ones are
// retired afterwards, when their last call returns. After an error every plugin serves what it served before, with its state. The
// error is a *Refusal, or ErrUnknownPlugin, ErrClosed, ErrHandedOver, or that of ctx if it ends while another deploy runs.
func (h *Host) Deploy(ctx context.Context, images map[string]string) (*Reload, error) {
	o := order{cause: cause{kind: generations.KindDeploy, by: "deploy"}}
	var plugins []*plugin
	for name, file := range images {
		p, err := h.plugin(name)
		if err != nil {
			return nil, err
		}
		if file == "" {
			file = p.Image
		}
		plugins = append(plugins, p)
		o.targets = append(o.targets, target{plugin: p, file: file})
	}
	return h.reload(ctx, plugins, func() (order, error) { return o, nil })
}

// RollbackOptions says what to roll back. The zero value goes back to the last release before the current one that had another
// image of any plugin.
type RollbackOptions struct {
	// To is the number of the release to go back to. Default: the last one that had another image of one of the plugins. A
	// second rollback with the default goes further back, and not forward again.
	To int

	// Plugins are the names of the plugins to roll back. Default: all that the earlier release has.
	Plugins []string
}

// Rollback makes the images of an earlier release current again, as a new release.
//
// An image that this process has opened before is used again as it is, any other is opened from the store. State moves to
// the older generation as in any reload. Errors are as for Deploy, and ErrNothingToRollBack.
func (h *Host) Rollback(ctx context.Context, o RollbackOptions) (*Reload, error) {
	names := slices.Clone(o.Plugins)
	if len(names) == 0 {
		names = h.table.Load().Names()
	}
	plugins := make([]*plugin, len(names))
	for i, name := range names {
		p, err := h.plugin(name)
		if err != nil {
			return nil, err
		}
		plugins[i] = p
	}
	if err := h.Serving(); err != nil {
		return nil, err
	}
	return h.reload(ctx, plugins, func() (order, error) { return h.rollbackOrder(o, plugins) })
}

// rollbackOrder decides what a rollback of the plugins loads. They are owned, so no deploy comes in between.
func (h *Host) rollbackOrder(o RollbackOptions, plugins []*plugin) (order, error) {
	if o.To == 0 {
		var names []string
		for _, p := range plugins {
			names = append(names, p.Name)
		}
		before, err := h.ledger.Before(names)
		if err != nil {
			return order{}, err
		}
		o.To = before
	}
	release, err := h.store.Release(o.To)
	if err != nil {
		return order{}, fmt.Errorf("roll back to release %d: %w; `sohost history` shows the releases", o.To, err)
	}
	result := order{cause: cause{kind: generations.KindRollback, by: "rollback", rollbackOf: o.To}}
	for _, p := range plugins {
		entry, has := release.Plugins[p.Name]
		switch {
		case has:
			result.targets = append(result.targets, target{plugin: p, file: entry.Source, stored: entry.Image, rollback: true})
		case len(o.Plugins) > 0:
			return order{}, fmt.Errorf("%w %q in release %d", ErrUnknownPlugin, p.Name, o.To)
		}
	}
	return result, nil
}

// Prune removes old releases from the store, and the images that no remaining release names and this process has not opened.
// opts.Keep 0 stands for Options.Keep, a negative number for all. The host sets opts.InUse. Besides those of the store the error is
// ErrClosed or ErrHandedOver; nothing was removed then.
func (h *Host) Prune(opts generations.PruneOptions) (generations.PruneReport, error) {
	report, err := h.ledger.Prune(opts)
	if ended := h.Serving(); err != nil && ended != nil { // the store is another process's
		err = ended
	}
	return report, err
}

// CurrentRelease returns the number of the current release; 0 if there is none.
func (h *Host) CurrentRelease() int { return h.ledger.Current().Number }

// Releases lists the releases in the store, the oldest first. The error is about those that are broken; the others are returned
// all the same.
func (h *Host) Releases() ([]generations.Release, error) { return h.store.Releases() }

// History returns the last n events of the store, the oldest first; all that are kept if n is not positive.
func (h *Host) History(n int) ([]generations.Event, error) { return h.store.History(n) }
