package sohost

import (
	"context"
	"errors"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/blame"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/native"
)

// target is one plugin's part in a reload that was asked for: an image in a file, or one in the store.
type target struct {
	plugin   *plugin
	file     string         // where the image comes from; only for reports, if it is stored
	stored   generations.ID // set if the image is in the store already
	onChange bool           // asked for by nothing but a change of the file
	rollback bool           // skips what the plugin's own file holds now

	// skipped is what loaded.skipped becomes. It counts for stored images that are not a rollback; else it is found out.
	skipped generations.ID

	// trusted images need no probe and no trial, since this process is a throwaway itself.
	trusted bool
}

// candidate is an image on its way to becoming a plugin's current generation.
type candidate struct {
	target
	old    *gated
	move   Move           // what is reported in the end; move.To is the image's id
	pinned generations.ID // in the ledger; zero if the image never came into the store
	next   *loaded        // nil until New has returned
	stash  *stash         // the old generation's state, if there is no other way back to it
}

// newCandidate returns the candidate of a target whose plugin is owned.
func newCandidate(t target) *candidate {
	return &candidate{target: t, old: newGated(t.plugin), move: Move{
		Plugin: t.plugin.Name, From: t.plugin.servingID(), State: StateMove{Way: WayNone}, Phases: Phases{}, Time: time.Now(),
	}}
}

func (c *candidate) suspect() blame.Suspect {
	return blame.Suspect{Plugin: c.plugin.Name, Image: c.move.To}
}

// failure is why a candidate can't serve.
type failure struct {
	candidate     *candidate
	phase         Phase
	needsHandover bool // the reason lies in what this process has opened before
	err           error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// refusal returns the failure as it is reported.
func (f *failure) refusal() *Refusal {
	c := f.candidate
	return Refusal{
		Plugin: c.plugin.Name, Source: c.file, Image: c.move.To, Serves: c.move.From, Time: c.move.Time,
	}.because(f.phase, f.err)
}

// step runs a phase, adds its duration to the candidate's, and makes its error a failure of that phase.
func (c *candidate) step(phase Phase, do func() error) error {
	if err := c.move.Phases.timed(phase, do); err != nil {
		return &failure{candidate: c, phase: phase, err: err}
	}
	return nil
}

// prepare takes a candidate as far as an instance that no caller sees yet. If its image serves already, or is one that a change of
// the file must not load, it is left Unchanged. The error is a *failure, or a *Refusal that is known already.
func (c *candidate) prepare(ctx context.Context) error {
	var path string
	err := c.step(PhaseStore, func() (err error) {
		path, err = c.store(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if c.move.Unchanged = c.move.To == c.move.From; c.move.Unchanged {
		return nil
	}
	if r := c.plugin.refusal(); c.onChange && r != nil && r.Image == c.move.To && r.Phase == PhaseCheck {
		return r // the same facts again
	}
	h := c.plugin.host
	if c.onChange && c.old.serves != nil && c.move.To == c.old.serves.Value().skipped {
		h.log.Info("ignored: a rollback or a deploy has replaced this image since; `sohost deploy` loads it all the same",
			"plugin", c.plugin.Name, "image", c.move.To.Short())
		c.move.Unchanged, c.move.To = true, c.move.From
		return nil
	}
	if !h.loader.IsOpen(path) { // else it has passed both
		if err := c.judge(ctx, path); err != nil {
			return err
		}
	}
	if !c.trusted {
		h.trials.Begin(c.suspect())
	}
	return c.open(ctx, path)
}

// store brings the image into the store, pinned against a prune, and returns its path there.
func (c *candidate) store(ctx context.Context) (path string, err error) {
	h := c.plugin.host
	if c.stored.IsZero() {
		object, err := h.ledger.Add(ctx, c.file)
		if err != nil {
			return "", err
		}
		c.move.To, c.pinned = object.ID, object.ID
		if c.file == c.plugin.Image {
			c.plugin.fileImage = object.ID
		}
		return object.Path, nil
	}
	h.ledger.Pin(c.stored)
	c.move.To, c.pinned = c.stored, c.stored
	object, err := h.store.Object(c.stored)
	if err != nil {
		return "", err
	}
	return object.Path, h.store.Verify(ctx, c.stored)
}

// judge refuses an image that this process hasn't opened, for what can be read of it, or for what happens when a child process opens it.
func (c *candidate) judge(ctx context.Context, path string) error {
	h := c.plugin.host
	ctx, cancel := h.limit(ctx, h.opts.OpenTimeout)
	defer cancel()
	rejected := c.step(PhaseCheck, func() error {
		if err := h.judge.Quarantined(c.move.To); err != nil {
			return err
		}
		return h.loader.Check(path)
	})
	var rejection *native.Rejection
	needsHandover := errors.As(rejected, &rejection) && rejection.NeedsNewProcess()
	if rejected != nil && !needsHandover || c.trusted || h.rehearsed[c.move.To] {
		return handoverFor(rejected, needsHandover)
	}
	// An image that another process is to take is probed here as well: that process is not the place to find out.
	if err := c.step(PhaseProbe, func() error { return h.loader.Probe(ctx, path) }); err != nil {
		return err
	}
	return handoverFor(rejected, needsHandover)
}

// handoverFor marks a failure as one that a handover may help against.
func handoverFor(err error, needsHandover bool) error {
	if f, ok := err.(*failure); ok {
		f.needsHandover = needsHandover
	}
	return err
}

// open opens the image and makes an instance of it.
func (c *candidate) open(ctx context.Context, path string) error {
	h := c.plugin.host
	limited, cancel := h.limit(ctx, h.opts.OpenTimeout)
	defer cancel()
	var image *instance.Image
	err := c.step(PhaseOpen, func() (err error) {
		image, err = h.loader.Open(limited, path)
		return err
	})
	if err != nil {
		return handoverFor(err, !momentary(ctx, err)) // in the probe, with nothing else open, it went well
	}
	next := &loaded{id: c.move.To, label: c.move.To.Short(), since: c.move.Time, skipped: c.skips()}
	err = c.step(PhaseNew, func() (err error) {
		next.Instance, err = instance.New(limited, image, newPluginHost(c.plugin, c.move.To), c.closeLate)
		return err
	})
	if next.Instance != nil { // even with an error: abandon closes it
		c.next = next
	}
	var panicked *PanicError
	return handoverFor(err, c.old.serves != nil && errors.As(err, &panicked) && panicked.InRegistry(image))
}

// skips returns the image in the plugin's own file if it is known and differs from the candidate's.
func (c *candidate) skips() generations.ID {
	inFile := c.plugin.fileImage
	switch {
	case c.rollback && inFile.IsZero():
		inFile = c.move.From
	case c.rollback:
	case !c.stored.IsZero():
		return c.skipped
	}
	if inFile == c.move.To {
		return generations.ID{}
	}
	return inFile
}

// closeLate closes an instance that New returned after the host had given up waiting for it.
func (c *candidate) closeLate(in *instance.Instance) {
	h := c.plugin.host
	err := h.end(context.Background(), in)
	h.log.Warn("New returned too late: its instance was closed", "plugin", c.plugin.Name, "generation", c.move.To.Short(), "err", err)
}

// momentary reports whether an error comes of the moment rather than of the image, since the file was being written or ctx, the
// caller's, has ended: it is worth another try, and no refusal.
func momentary(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, generations.ErrChanged)
}
