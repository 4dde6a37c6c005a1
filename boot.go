package sohost

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/cache"
)

// boot brings the configured plugins up as the current release has them, and publishes what it doesn't have yet as one
// release.
func (h *Host) boot(ctx context.Context) error {
	release, err := h.lastRelease()
	if err != nil {
		return err
	}
	h.release.Store(&release)
	h.entries = maps.Clone(release.Plugins)
	if h.entries == nil {
		h.entries = map[string]generations.Entry{}
	}
	for _, config := range h.opts.Plugins {
		h.add(config)
	}
	if h.opts.Dir != "" {
		found, err := h.newInDir()
		if err != nil {
			return err
		}
		for _, config := range found {
			h.add(config)
		}
	}
	leftOut := h.judgeCrashes(release)
	h.rehearse(ctx, release, leftOut)
	var booted []*candidate
	var wentBack []*Refusal
	for _, p := range h.index.Load().sorted() {
		if leftOut[p.name] {
			h.leaveOut(ctx, p)
			continue
		}
		of, refused := h.bootPlugin(ctx, p)
		booted = append(booted, of...)
		if refused != nil {
			wentBack = append(wentBack, refused)
		}
	}
	if ctx.Err() != nil { // what is missing is not the images' fault, and no release should be without it
		h.unpin(booted)
		return fmt.Errorf("boot: %w", context.Cause(ctx))
	}
	h.settle(cause{kind: generations.KindBoot, by: "boot"}, booted)
	h.unpin(booted)
	for _, r := range wentBack { // to be told by Status beside what serves instead
		h.index.Load().names[r.Plugin].refuse(r)
	}
	return nil
}

// rehearse probes the images of a release together. That takes hardly longer than one alone; if it fails, each is probed by
// itself when its turn comes, to find out which it was.
func (h *Host) rehearse(ctx context.Context, release generations.Release, leftOut map[string]bool) {
	var paths []string
	ids := map[generations.ID]bool{}
	for _, p := range h.index.Load().sorted() {
		id := release.Plugins[p.name].Image
		object, err := h.store.Object(id)
		if err != nil || ids[id] || leftOut[p.name] || h.quarantined(id) != nil {
			continue
		}
		paths, ids[id] = append(paths, object.Path), true
	}
	if len(paths) < 2 {
		return
	}
	ctx, cancel := h.limit(ctx, h.opts.OpenTimeout)
	defer cancel()
	if h.probe(ctx, paths...) == nil {
		h.rehearsed = ids
	}
}

// lastRelease is the current release, or if that is broken the newest one that is whole; the zero Release if there is none.
// The next release that is published mends what is broken.
func (h *Host) lastRelease() (generations.Release, error) {
	current, err := h.store.Current()
	if errors.Is(err, generations.ErrNoRelease) {
		return generations.Release{}, nil
	}
	if !errors.Is(err, generations.ErrBroken) {
		return current, err
	}
	whole, _ := h.store.Releases() // the error is about the broken ones
	if len(whole) == 0 {
		h.log.Error("the current release can't be booted, and no other is whole; trying the image files", "err", err)
		return generations.Release{}, nil
	}
	newest := whole[len(whole)-1]
	h.log.Error("the current release can't be booted; the newest one that is whole is", "release", newest.Number, "err", err)
	return newest, nil
}

// add makes a plugin known. Its slot is empty. Only one goroutine at a time adds plugins.
func (h *Host) add(config Plugin) *plugin {
	h.adding.Lock()
	defer h.adding.Unlock()
	p := &plugin{
		Plugin:  config,
		name:    config.Name,
		slot:    generations.NewSlot[*live](generations.SlotOptions{GateLimit: h.opts.gateLimit()}),
		cache:   cache.New(h.opts.CacheBytes),
		owner:   make(chan struct{}, 1),
		changed: make(signal, 1),
	}
	p.disown()
	h.index.Store(h.index.Load().with(p))
	return p
}

// bootPlugin boots a plugin from the current release, or from what it goes back to if that is in quarantine; the refusal says
// why then. If neither can be used, or the release doesn't name the plugin, it boots it from its file. It returns what is to be
// published. What goes wrong is told by Status. Nobody contends for the plugin yet.
func (h *Host) bootPlugin(ctx context.Context, p *plugin) (booted []*candidate, wentBack *Refusal) {
	release := *h.release.Load()
	entry, known := release.Plugins[p.name]
	if p.held = entry.Skipped; p.held.IsZero() && entry.Source == p.Image {
		p.held = entry.Image
	}
	if !known {
		return h.bootTarget(ctx, target{plugin: p, file: p.Image}), nil
	}
	if booted = h.bootEntry(ctx, p, entry); booted != nil || ctx.Err() != nil {
		return booted, nil
	}
	back, goesBack := h.fallback(release, suspect{p.name, entry.Image})
	if goesBack = goesBack && h.quarantined(entry.Image) != nil; goesBack {
		refused := p.refusal()
		back.Skipped = entry.Image
		if booted = h.bootEntry(ctx, p, back); booted != nil || ctx.Err() != nil {
			return booted, refused
		}
	}
	refused := p.refusal()
	h.log.Error("the current release's image can't be booted; trying the image file", "plugin", p.name, "file", p.Image)
	booted = h.bootTarget(ctx, target{plugin: p, file: p.Image})
	if again := p.refusal(); goesBack && again != nil && again.Image == entry.Image {
		p.refuse(refused) // that the image is in quarantine is told anyway, and not why there was no way back
	}
	return booted, nil
}

// bootEntry boots a plugin from what a release says.
func (h *Host) bootEntry(ctx context.Context, p *plugin, entry generations.Entry) []*candidate {
	return h.bootTarget(ctx, target{plugin: p, file: entry.Source, stored: entry.Image, passedOver: entry.Skipped})
}

// leaveOut boots a plugin with nothing: processes end again and again, and it may be the reason.
func (h *Host) leaveOut(ctx context.Context, p *plugin) {
	entry := h.release.Load().Plugins[p.name]
	c := newCandidate(target{plugin: p, file: entry.Source})
	c.id, c.phase = entry.Image, "check" // so that a mere change of the file doesn't bring the same image
	h.refuse(ctx, c, fmt.Errorf("%w: left out after %d crashes in a row, as it may be the reason; `sohost deploy %s` tries it again",
		ErrSuspended, h.opts.CrashesInARow, p.name))
}

// bootTarget is bring for one target. A refusal is told by Status and the log.
func (h *Host) bootTarget(ctx context.Context, t target) []*candidate {
	candidates, failed, err := h.bring(ctx, []target{t})
	h.endTrials(candidates) // at once: the next plugin's is not to be mistaken for this one's fault
	if err != nil {
		h.refuse(ctx, failed, err)
		h.unpin(candidates)
		return nil
	}
	return candidates
}
