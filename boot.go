package sohost

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/blame"
	"github.com/sohost/sohost/internal/cache"
	"github.com/sohost/sohost/internal/crash"
	"github.com/sohost/sohost/native"
)

// boot boots every configured plugin from the current release, and publishes one release with whatever came out
// differently.
func (h *Host) boot(ctx context.Context) error {
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
	release := h.ledger.Current()
	record := h.judge.Record(release, func(plugin string) bool { _, has := h.table.Load().Named(plugin); return has })
	leftOut := h.judge.Judge(record, h.reports(), h.opts.Process.CrashesInARow, h.trials.Collect())
	h.ready(ctx, release, leftOut)
	defer h.unready()
	booted := &batch{host: h, cause: cause{kind: generations.KindBoot, by: "boot"}}
	defer booted.unpin()
	fallenBack := map[*plugin]*Refusal{}
	plugins := h.plugins()
	for i, p := range plugins {
		if h.opts.Process.Booting != nil {
			h.opts.Process.Booting(i, len(plugins))
		}
		if leftOut[p.Name] {
			h.leaveOut(p, record)
			continue
		}
		b := booting{p, release, record}
		candidates, refused := b.boot(ctx)
		booted.candidates = append(booted.candidates, candidates...)
		if refused != nil {
			fallenBack[p] = refused
		}
	}
	if ctx.Err() != nil { // plugins are missing only for lack of time: don't publish a release without them
		return fmt.Errorf("boot: %w", context.Cause(ctx))
	}
	booted.finish()
	for p, r := range fallenBack { // noteSuccess has cleared it; Status shows it beside the fallback
		p.setRefusal(r)
	}
	return nil
}

// reports returns Process.Crashes in the form that package blame takes.
func (h *Host) reports() (reports []crash.Report) {
	for _, c := range h.opts.Process.Crashes {
		reports = append(reports, crash.Report{
			Ended: c.Ended, Uptime: c.Uptime, Exit: c.Exit, Why: c.Why, Output: c.Output, Program: c.Program, Calls: c.Calls, Memory: c.Memory,
			Stopped: c.Stopped,
		})
	}
	return reports
}

// add adds a plugin with an empty slot. It blocks while a handover runs, whose plan must not miss a plugin.
func (h *Host) add(config Plugin) *plugin {
	h.adding.Lock()
	defer h.adding.Unlock()
	p := &plugin{
		Plugin:  config,
		host:    h,
		slot:    generations.NewSlot[*loaded](generations.SlotOptions{GateLimit: h.opts.gateLimit()}),
		cache:   cache.New(h.opts.CacheBytes),
		owner:   make(chan struct{}, 1),
		changed: newWake(),

		fromDir: h.opts.Dir != "" && config.Image == filepath.Join(h.opts.Dir, config.Name+".so"), forgotten: make(chan struct{}),
	}
	p.findKept()
	p.disown()
	h.table.Store(h.table.Load().With(p.Name, p.Routes, p))
	return p
}

// booting is the boot of one plugin. The boot takes no owner tokens: New has not returned, so nobody else can reload
// the plugin yet.
type booting struct {
	*plugin
	release generations.Release
	record  *blame.Record
}

// boot boots the plugin from the current release, or from its fallback if the release's image is in quarantine or doesn't
// fit this program; fellBack is then the refusal of that image. If neither can be used, or if the release doesn't name the plugin, it
// boots the plugin's file. It returns the candidates to publish. Failures are recorded for Status.
func (b booting) boot(ctx context.Context) (booted []*candidate, fellBack *Refusal) {
	entry, known := b.release.Plugins[b.Name]
	if b.fileImage = entry.Skipped; b.fileImage.IsZero() && entry.Source == b.Image {
		b.fileImage = entry.Image
	}
	if !known {
		return b.target(ctx, target{file: b.Image}), nil
	}
	if booted = b.entry(ctx, entry); booted != nil || ctx.Err() != nil {
		return booted, nil
	}
	refused := b.refusal()
	quarantined := b.host.judge.Quarantined(entry.Image) != nil
	fallback, has := b.fallback(entry, quarantined)
	if has {
		fallback.Skipped = entry.Image
		if booted = b.entry(ctx, fallback); booted != nil || ctx.Err() != nil {
			return booted, refused
		}
		refused = b.refusal()
	}
	b.host.log.Error("the current release's image can't be booted; trying the image file", "plugin", b.Name, "file", b.Image)
	booted = b.target(ctx, target{file: b.Image})
	if again := b.refusal(); has && again != nil && again.Image == entry.Image {
		b.setRefusal(refused) // Status lists the quarantine anyway; why the fallback failed is the news
	}
	return booted, nil
}

// fallback returns the entry that the plugin goes back to, if it does: its image is in quarantine, or it was refused because
// it doesn't fit this program. It may have been made for another program, which this one has replaced again.
func (b booting) fallback(entry generations.Entry, quarantined bool) (generations.Entry, bool) {
	suspect := blame.Suspect{Plugin: b.Name, Image: entry.Image}
	var rejection *native.Rejection
	switch refused := b.refusal(); {
	case quarantined:
		return b.record.Fallback(suspect)
	case refused == nil || !errors.As(refused.Err, &rejection) || rejection.NeedsNewProcess():
		return generations.Entry{}, false
	}
	fitting := *b.record
	fitting.Quarantined = func(id generations.ID) bool {
		object, err := b.host.store.Object(id)
		return err != nil || b.record.Quarantined(id) || b.host.loader.Check(object.Path) != nil
	}
	return fitting.Fallback(suspect)
}

// entry boots the image that a release's entry names.
func (b booting) entry(ctx context.Context, e generations.Entry) []*candidate {
	return b.target(ctx, target{file: e.Source, stored: e.Image, skipped: e.Skipped})
}

// target boots one image. A failure becomes the plugin's refusal, and target returns nil.
func (b booting) target(ctx context.Context, t target) []*candidate {
	t.plugin = b.plugin
	one := &batch{host: b.host}
	err := one.prepareAndFlip(ctx, []target{t})
	one.endTrials() // now: this image must not be blamed for a crash of the next one
	if err == nil {
		return one.candidates
	}
	one.unpin()
	var failed *failure
	if errors.As(err, &failed) {
		b.host.refuse(ctx, failed)
	}
	return nil
}

// leaveOut leaves the plugin's slot empty, because processes keep crashing and the plugin may be the reason. It is tried again
// later: see retryLater.
func (h *Host) leaveOut(p *plugin, record *blame.Record) {
	now, inARow := generations.Now(), h.opts.Process.CrashesInARow
	entry := record.Current.Plugins[p.Name]
	before := record.LeftOutBefore(p.Name, now)
	h.ledger.Note(generations.Event{Kind: generations.KindLeaveOut, Plugin: p.Name, From: entry.Image, Release: record.Current.Number, Uptime: now.Uptime})
	c := newCandidate(target{plugin: p, file: entry.Source})
	// With PhaseCheck, which keeps a change event from loading the same image again.
	if c.move.To = record.Suspected(p.Name, inARow, now); c.move.To.IsZero() {
		c.move.To = entry.Image
	}
	again := now.Add(blame.Cooldown(before)).Time
	f := &failure{candidate: c, phase: PhaseCheck, err: fmt.Errorf(
		"%w after %d crashes in a row, as it may be the reason; it is tried again at %s, or at once by `sohost deploy %s`",
		ErrLeftOut, inARow, again.Local().Format("15:04:05"), p.Name)}
	r := f.refusal()
	r.Retry, r.Tries = again, before
	h.noteRefusal(p, r)
}
