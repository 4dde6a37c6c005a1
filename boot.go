package sohost

import (
	"context"
	"errors"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/cache"
)

// boot brings the configured plugins up as the current release has them, publishes what it doesn't have yet as one release,
// and begins to watch.
func (h *Host) boot(ctx context.Context) error {
	release, err := h.store.Current()
	if err != nil && !errors.Is(err, generations.ErrNoRelease) {
		return err
	}
	h.release = release
	configs := h.opts.Plugins
	if h.opts.Dir != "" {
		found, err := h.newInDir()
		if err != nil {
			return err
		}
		configs = append(configs, found...)
	}
	var booted []*candidate
	for _, config := range configs {
		booted = append(booted, h.bootPlugin(ctx, h.add(config))...)
	}
	h.settle(cause{kind: generations.KindBoot, by: "boot"}, booted)
	h.unpin(booted)
	for _, config := range configs {
		if config.Mode == Dev {
			h.watchPlugin(h.plugins[config.Name])
		}
	}
	return h.watchDir()
}

// add makes a plugin known. Its slot is empty.
func (h *Host) add(config Plugin) *plugin {
	p := &plugin{
		Plugin:  config,
		name:    config.Name,
		slot:    generations.NewSlot[*live](generations.SlotOptions{GateLimit: h.opts.gateLimit()}),
		cache:   cache.New(h.opts.CacheBytes),
		owner:   make(chan struct{}, 1),
		changed: make(signal, 1),
	}
	p.disown()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.plugins[p.name] = p
	h.routes.Store(newRouteTable(h.plugins))
	return p
}

// bootPlugin boots a plugin from the current release, or if that doesn't name it or its image can't be used, from its file.
// It returns what is to be published. What goes wrong is told by Status. Nobody contends for the plugin yet.
func (h *Host) bootPlugin(ctx context.Context, p *plugin) []*candidate {
	if entry, known := h.release.Plugins[p.name]; known {
		booted := h.bootTarget(ctx, target{
			plugin: p, file: entry.Source, stored: entry.Image, rolledBackFrom: entry.RolledBackFrom,
		})
		if booted != nil {
			return booted
		}
		h.log.Error("the current release's image can't be booted; trying the image file", "plugin", p.name, "file", p.Image)
	}
	return h.bootTarget(ctx, target{plugin: p, file: p.Image})
}

// bootTarget is bring for one target. A refusal is told by Status and the log.
func (h *Host) bootTarget(ctx context.Context, t target) []*candidate {
	candidates, err := h.bring(ctx, []target{t})
	if err != nil {
		h.unpin(candidates)
		return nil
	}
	return candidates
}
