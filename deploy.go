package sohost

import (
	"context"
	"fmt"
	"slices"

	"github.com/sohost/sohost/generations"
)

// Deploy loads images and publishes them in one release; either all of them become current or none does. images maps
// plugin names to files, with "" for the plugin's configured file. An image that serves already is left as it is.
//
// Deploy waits for other reloads of the same plugins, then blocks until the new generations serve and the release is
// written. The time that plugin code may take is bounded, see Options; copying an image isn't. The old generations
// retire in the background, when their last call has returned. If an image needs a new process and there is a
// Process.Handover, Deploy waits for that and reports what it did; after that this host no longer serves.
//
// After an error every plugin serves what it served before, with its state. (A release that can't be written is a
// Warning and no error, since the new generations serve by then.) The error is a *Refusal, or it matches
// ErrUnknownPlugin, the cause of ctx's end if it ended while Deploy waited for another reload, or ErrClosed or
// ErrHandedOver, with which this host no longer serves at all.
func (h *Host) Deploy(ctx context.Context, images map[string]string) (*Reload, error) {
	return h.DeployWith(ctx, images, DeployOptions{})
}

// DeployOptions says what a deploy may do. The zero value is what Deploy does.
type DeployOptions struct {
	// LoseState allows the new generations to lose state: an image may take none although the one that serves has some, or
	// keep no field of it. Otherwise such an image is refused, with ErrLosesState. What is lost stays on disk until the
	// release is confirmed, and a rollback brings it back.
	LoseState bool

	// Trace is a traceparent as W3C Trace Context defines it: the events of the reload carry it, so that it becomes a part of that trace.
	// Default: none.
	Trace string
}

// DeployWith is Deploy with options.
func (h *Host) DeployWith(ctx context.Context, images map[string]string, opts DeployOptions) (*Reload, error) {
	o := order{cause: cause{kind: generations.KindDeploy, by: "deploy", trace: opts.Trace}}
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
		o.targets = append(o.targets, target{plugin: p, file: file, loseState: opts.LoseState})
	}
	return h.reload(ctx, plugins, func() (order, error) { return o, nil })
}

// RollbackOptions selects what Rollback rolls back. The zero value goes back to the last release before the current one
// that had another image of any plugin.
type RollbackOptions struct {
	// To is the number of the release to go back to. Default: the last one that had another image of one of the
	// plugins. A second rollback with the default goes further back, never forward again.
	To int

	// Plugins lists the names of the plugins to roll back. Default: all plugins that the earlier release names.
	Plugins []string

	// LoseState allows the older generations to lose state, as in DeployOptions.
	LoseState bool

	// Trace is as in DeployOptions.
	Trace string
}

// Rollback makes the images of an earlier release current again, in a new release.
//
// An image that this process has opened before is reused; any other is opened from the store. State moves to the older
// generation as in any reload. Besides, the older generation gets back what the moves since then have lost, if their
// releases are not confirmed yet. In Dev mode, a plugin's file that still has the image rolled back from is not loaded
// again until it has another one. Rollback blocks as Deploy does. The error is as for Deploy, or ErrNothingToRollBack,
// or matches generations.ErrNoRelease or generations.ErrBroken if a release that it needs is missing or can't be read.
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

// rollbackOrder decides what a rollback of the plugins loads. The caller owns them, so no deploy comes in between.
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
	result := order{cause: cause{kind: generations.KindRollback, by: "rollback", trace: o.Trace, rollbackOf: o.To}}
	for _, p := range plugins {
		entry, has := release.Plugins[p.Name]
		switch {
		case has:
			result.targets = append(result.targets, target{plugin: p, file: entry.Source, stored: entry.Image, rollback: true, loseState: o.LoseState})
		case len(o.Plugins) > 0:
			return order{}, fmt.Errorf("%w %q in release %d", ErrUnknownPlugin, p.Name, o.To)
		}
	}
	return result, nil
}

// Prune removes old releases from the store, and the images that no remaining release names and this process neither
// has open nor is loading. If opts.Keep is 0, Options.Keep releases stay; if it is negative, all do. The host sets
// opts.InUse.
//
// The error is ErrClosed or ErrHandedOver, with nothing removed, or one of the store's: see generations.Store.Prune.
func (h *Host) Prune(opts generations.PruneOptions) (generations.PruneReport, error) {
	report, err := h.ledger.Prune(opts)
	if ended := h.Serving(); err != nil && ended != nil { // the store is another process's
		err = ended
	}
	return report, err
}

// CurrentRelease returns the number of the current release, or 0 if there is none.
func (h *Host) CurrentRelease() int { return h.ledger.Current().Number }

// Releases returns the releases in the store, oldest first. The error has a *generations.BrokenError for each broken
// one; the others are returned all the same.
func (h *Host) Releases() ([]generations.Release, error) { return h.store.Releases() }

// History returns the last n events of the store, oldest first, or all that are kept if n is 0 or less.
func (h *Host) History(n int) ([]generations.Event, error) { return h.store.History(n) }
