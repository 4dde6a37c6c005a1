package sohost

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/sohost/sohost/generations"
)

// Deploy loads images and makes them current in one release, all of them or none. images maps the names of plugins to files;
// "" stands for the plugin's configured image. An image whose content serves already is left alone.
//
// It blocks until the new generations serve, at most for the time that their code may take (see Options). The old ones are
// retired afterwards, when their last call returns. For what holds after an error see Refusal.
func (h *Host) Deploy(ctx context.Context, images map[string]string) (*Reload, error) {
	var targets []target
	for name, file := range images {
		p, err := h.plugin(name)
		if err != nil {
			return nil, err
		}
		if file == "" {
			file = p.Image
		}
		targets = append(targets, target{plugin: p, file: file})
	}
	return h.reload(ctx, cause{kind: generations.KindDeploy, by: "deploy"}, targets)
}

// Rollback makes the images of an earlier release current again, as a new release. to is the number of that release; 0 is
// the last one that had another image of a plugin, and a repeated Rollback to 0 goes further back each time. Only the named
// plugins are rolled back; with none named, all that the earlier release has.
//
// An image that this process has opened before is used again as it is, any other is opened from the store. State moves to
// the older generation as in any reload. Errors are as for Deploy, and ErrNothingToRollBack.
func (h *Host) Rollback(ctx context.Context, to int, plugins ...string) (*Reload, error) {
	names := plugins
	if len(names) == 0 {
		names = slices.Collect(maps.Keys(h.index.Load().names))
	}
	targets := make([]target, len(names))
	for i, name := range names {
		p, err := h.plugin(name)
		if err != nil {
			return nil, err
		}
		targets[i].plugin = p
	}
	if to == 0 {
		before, err := h.before(*h.release.Load(), names)
		if err != nil {
			return nil, err
		}
		to = before
	}
	release, err := h.store.Release(to)
	if err != nil {
		return nil, fmt.Errorf("roll back to release %d: %w; `sohost history` shows the releases", to, err)
	}
	for i := range targets {
		t := &targets[i]
		entry, has := release.Plugins[t.plugin.name]
		if !has && len(plugins) > 0 {
			return nil, fmt.Errorf("%w %q in release %d", ErrUnknownPlugin, t.plugin.name, to)
		}
		t.file, t.stored, t.rollback = entry.Source, entry.Image, has
	}
	targets = slices.DeleteFunc(targets, func(t target) bool { return !t.rollback }) // not in that release
	return h.reload(ctx, cause{kind: generations.KindRollback, by: "rollback", rollbackOf: to}, targets)
}

// before finds the last release before r that had another image of one of the plugins. A rollback of them counts as the
// release that it went back to, so that a second one goes further back and not forward again.
func (h *Host) before(r generations.Release, plugins []string) (int, error) {
	current := r
	for {
		for r.RollbackOf != 0 {
			again, err := h.store.Release(r.RollbackOf)
			if err != nil {
				return 0, fmt.Errorf("find the release before %d: %w; name one with --to", r.Number, err)
			}
			if differs(again, r, plugins) {
				break // it was a rollback of others
			}
			r = again
		}
		if r.Previous == 0 {
			return 0, fmt.Errorf("%w: release %d is the first", ErrNothingToRollBack, r.Number)
		}
		previous, err := h.store.Release(r.Previous)
		if err != nil {
			return 0, fmt.Errorf("find the release before %d: %w; name one with --to", r.Number, err)
		}
		if differs(previous, current, plugins) {
			return previous.Number, nil
		}
		r = previous
	}
}

// differs says whether an earlier release has another image of one of the plugins.
func differs(earlier, later generations.Release, plugins []string) bool {
	return slices.ContainsFunc(plugins, func(name string) bool {
		entry, has := earlier.Plugins[name]
		return has && entry.Image != later.Plugins[name].Image
	})
}

// Releases lists the releases in the store, the oldest first. Those that are broken are in the error; the others are returned
// nevertheless.
func (h *Host) Releases() ([]generations.Release, error) { return h.store.Releases() }

// History lists the last n events of the store, the oldest first.
func (h *Host) History(n int) ([]generations.Event, error) { return h.store.History(n) }
