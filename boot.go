package sohost

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/blame"
	"github.com/sohost/sohost/internal/cache"
	"github.com/sohost/sohost/internal/crash"
)

// Start is New without the wait for the plugins: each serves as soon as it is up, however long others take. While a plugin boots its
// callers wait, and get 503 or generations.ErrEmpty once Options.BootWait is over. Deploy, Rollback and Give wait for the
// end of the boot, and Close ends it. ctx is the boot's; Booted waits for its end and returns what became of it.
func Start(ctx context.Context, opts Options) (*Host, error) {
	return startHost(ctx, opts, nil)
}

// boot adds the plugins, and has them booted in the background. After an error nothing runs.
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
	h.breakLoops()
	release := h.ledger.Current()
	for _, config := range h.vanished(release) {
		h.add(config)
	}
	record := h.judge.Record(release, func(plugin string) bool { _, has := h.table.Load().Named(plugin); return has })
	leftOut := h.judge.Judge(record, h.reports(), h.opts.Process.CrashesInARow, h.trials.Collect())
	b := newBoots(h, release, record, leftOut)
	h.boots = b
	h.checkpointRegularly()
	h.tasks.Go(func() {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer context.AfterFunc(h.lifetime, func() { cancel(h.Serving()) })()
		b.end(b.run(ctx))
	})
	return nil
}

// run boots every plugin from the current release, and publishes one release with whatever came out differently. Then what reloads the
// plugins later begins.
func (b *boots) run(ctx context.Context) error {
	h := b.host
	defer h.unready()
	defer b.booted.unpin()
	b.inTurn(ctx)
	disown, err := b.ownAll(ctx)
	defer disown()
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil { // plugins are missing only for lack of time: don't publish a release without them
		return fmt.Errorf("boot: %w", err)
	}
	slices.SortFunc(b.booted.candidates, func(x, y *candidate) int { return byName(x.plugin, y.plugin) })
	b.booted.finish()
	for p, r := range b.fellBack { // noteSuccess has cleared it; Status shows it beside the fallback
		beside := *r
		beside.Serves = p.servingID()
		p.setRefusal(&beside)
	}
	return h.begin()
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
	p := h.newPlugin(config)
	h.table.Store(h.table.Load().With(p.Name, p.Routes, p))
	h.chains.join(p)
	h.triggers.Configure(p.Name, p.args(), p.Triggers)
	p.routeTriggers()
	return p
}

// newPlugin returns a plugin with an empty slot, which nobody owns, and which the host's table doesn't have yet.
func (h *Host) newPlugin(config Plugin) *plugin {
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
	return p
}

// booting is the boot of one plugin, which it owns.
type booting struct {
	*plugin
	boots   *boots
	release generations.Release
	record  *blame.Record
	leftOut bool

	refused []generations.ID // images that this boot has refused
}

// boot boots the plugin from the current release. If the release's image can't be used, it boots what fallback returns; fellBack is
// then the refusal of that image. If neither can be used, or if the release doesn't name the plugin, it boots the plugin's file. It
// returns the candidates that serve. Failures are recorded for Status.
func (b *booting) boot(ctx context.Context) (booted []*candidate, fellBack *Refusal) {
	entry, known := b.release.Plugins[b.Name]
	if b.fileImage = entry.Skipped; b.fileImage.IsZero() && entry.Source == b.Image {
		b.fileImage = entry.Image
	}
	switch {
	case b.leftOut:
		b.host.leaveOut(b.plugin, b.record)
	case !known:
		return b.target(ctx, target{file: b.Image}), nil
	default:
		if booted = b.entry(ctx, entry, false); booted == nil && ctx.Err() == nil && b.restoreObject(ctx, entry) {
			booted = b.entry(ctx, entry, false)
		}
		if booted != nil || ctx.Err() != nil {
			return booted, nil
		}
	}
	refused := b.refusal()
	fallback, has := b.fallback(entry, refused)
	if has {
		fallback.Skipped = entry.Image
		if booted = b.entry(ctx, fallback, !b.quarantined(entry)); booted != nil || ctx.Err() != nil {
			return booted, refused
		}
		refused = b.refusal()
	}
	if b.leftOut {
		return nil, nil
	}
	b.host.log.Error("the current release's image can't be booted; trying the image file", "plugin", b.Name, "file", b.Image)
	booted = b.target(ctx, target{file: b.Image})
	if again := b.refusal(); has && again != nil && again.Image == entry.Image {
		b.setRefusal(refused) // Status lists the quarantine anyway; why the fallback failed is the news
	}
	return booted, nil
}

// entry boots the image that a release's entry names. unpublished is target.unpublished.
func (b *booting) entry(ctx context.Context, e generations.Entry, unpublished bool) []*candidate {
	return b.target(ctx, target{file: e.Source, stored: e.Image, skipped: e.Skipped, unpublished: unpublished})
}

// target boots one image. A failure becomes the plugin's refusal, and target returns nil.
func (b *booting) target(ctx context.Context, t target) []*candidate {
	t.plugin, t.known, t.lane = b.plugin, b.refused, &b.boots.lane
	t.before = b.host.readied.take(b.Name)
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
		b.refused = append(b.refused, failed.candidate.move.To)
		b.tryAgain(failed)
	}
	return nil
}
