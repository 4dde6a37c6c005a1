package sohost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/native"
)

// Requirements are what every host of this version asks of an image, for native.Check.
func Requirements() native.Requirements {
	return native.Requirements{Symbol: abi.Symbol, Shared: []string{"github.com/sohost/sohost/abi"}}
}

// candidate is an image on its way to becoming a plugin's current generation.
type candidate struct {
	target
	serves    *generations.Generation[*live] // what the slot serves meanwhile; nil if nothing
	from      generations.ID
	time      time.Time
	phase     string // the step it is at
	id        generations.ID
	pinned    generations.ID // zero if the image never came into the store
	unchanged bool
	fresh     bool // it failed because of what this process has opened before
	trusted   bool // it need not be probed, since this process is a throwaway itself
	live      *live
	gate      *generations.Gate[*live] // closed while the state moves; nil without state
	state     StateMove
	keep      *kept // the old generation's state, if there is no other way back to it
	phases    Phases
}

// prepare brings a candidate up to an instance that nobody sees yet.
func (h *Host) prepare(ctx context.Context, c *candidate) error {
	c.phase = "store"
	var path string
	err := timed(&c.phases.Store, func() (err error) {
		path, err = h.storeImage(ctx, c)
		return err
	})
	if err != nil {
		return err
	}
	if c.unchanged = c.id == c.from; c.unchanged {
		return nil
	}
	if r := c.plugin.refusal(); c.onChange && r != nil && r.Image == c.id && r.Phase == "check" {
		return r // known already, and the same facts again
	}
	if c.unchanged = c.onChange && c.serves != nil && c.id == c.serves.Value().passedOver; c.unchanged {
		h.log.Info("left alone: a rollback or a deploy has brought another image since; deploy this one to have it all the same",
			"plugin", c.plugin.name, "image", c.id.Short())
		c.id = c.from
		return nil
	}
	if !isOpen(path) { // else it has passed both
		if err := h.try(ctx, c, path); err != nil {
			return err
		}
	}
	if !c.trusted { // else this process leaves no trace if it dies
		h.beginTrial(c)
	}
	limited, cancel := h.limit(ctx, h.opts.OpenTimeout)
	defer cancel()
	c.phase = "open"
	l := &live{id: c.id, label: c.id.Short(), since: c.time, passedOver: c.passesOver()}
	if err := timed(&c.phases.Open, func() error { return openImage(limited, path, l) }); err != nil {
		c.fresh = !momentary(ctx, err) // where nothing else was open, it went well
		return err
	}
	c.phase = "new"
	err = timed(&c.phases.New, func() error { return h.instantiate(limited, c, l) })
	// Such as that of a registry of the standard library, in which an earlier generation has the name.
	c.fresh = errors.As(err, new(*PanicError)) && c.serves != nil
	return err
}

// try judges an image that this process hasn't opened, by what can be read of it and by opening it elsewhere.
func (h *Host) try(ctx context.Context, c *candidate, path string) error {
	ctx, cancel := h.limit(ctx, h.opts.OpenTimeout)
	defer cancel()
	c.phase = "check"
	rejected := timed(&c.phases.Check, func() error { return h.check(c.id, path) })
	var rejection *native.Rejection
	c.fresh = errors.As(rejected, &rejection) && rejection.NeedsFreshProcess()
	if rejected != nil && !c.fresh || c.trusted || h.rehearsed[c.id] {
		return rejected
	}
	c.phase = "probe"
	if err := timed(&c.phases.Probe, func() error { return h.probe(ctx, path) }); err != nil {
		c.fresh = false
		return err
	}
	if rejected != nil {
		c.phase = "check"
	}
	return rejected
}

// passesOver is the image that the plugin's own file holds if that is not the candidate's, as far as it is known.
func (c *candidate) passesOver() generations.ID {
	held := c.plugin.held
	switch {
	case c.rollback && held.IsZero():
		held = c.from
	case c.rollback:
	case !c.stored.IsZero():
		return c.passedOver
	}
	if held == c.id {
		return generations.ID{}
	}
	return held
}

// instantiate makes the instance of an opened image.
func (h *Host) instantiate(ctx context.Context, c *candidate, l *live) error {
	offer := h.offer(c.plugin, c.id)
	var made error
	var settled atomic.Bool // by what comes first: New's return, or the end of the wait for it
	err := guard(ctx, "New", func(ctx context.Context) error {
		l.instance, made = l.descriptor.New(ctx, offer)
		if !settled.CompareAndSwap(false, true) && made == nil {
			h.closeLate(c.plugin, l)
		}
		return made
	})
	// If it is settled already, New has returned, perhaps in the moment in which the wait for it ended.
	if err != nil && (settled.CompareAndSwap(false, true) || made != nil) {
		return err
	}
	c.live = l
	if err != nil {
		return err
	}
	if !handlesSomething(l.instance) {
		return fmt.Errorf("%w: New returned a %T, which is neither an http.Handler nor an abi.BatchHandler or abi.ScheduleHandler",
			ErrNoHandler, l.instance)
	}
	return nil
}

// closeLate closes an instance that New has made after the host had given up waiting for it.
func (h *Host) closeLate(p *plugin, l *live) {
	ctx, cancel := h.limit(context.Background(), h.opts.DrainTimeout)
	defer cancel()
	h.log.Warn("New has returned too late: its instance is closed", "plugin", p.name, "generation", l.label, "err", l.close(ctx))
}

// storeImage brings the image into the store, pinned against a prune, and tells its path there.
func (h *Host) storeImage(ctx context.Context, c *candidate) (path string, err error) {
	if c.stored.IsZero() {
		object, err := h.pins.add(func() (generations.Object, error) { return h.store.Add(ctx, c.file) })
		c.id, c.pinned = object.ID, object.ID
		if err == nil && c.file == c.plugin.Image {
			c.plugin.held = c.id
		}
		return object.Path, err
	}
	h.pins.pin(c.stored)
	c.id, c.pinned = c.stored, c.stored
	object, err := h.store.Object(c.stored)
	if err != nil {
		return "", err
	}
	return object.Path, h.store.Verify(ctx, c.stored)
}

// isOpen says whether this process has opened the image.
func isOpen(path string) bool {
	path, err := filepath.EvalSymlinks(path) // native tells paths that way, and the store may lie behind a link
	return err == nil && slices.ContainsFunc(native.Opened(), func(im *native.Image) bool { return im.Path() == path })
}

// check judges an image before anything of it runs.
func (h *Host) check(id generations.ID, path string) error {
	if err := h.quarantined(id); err != nil {
		return err
	}
	info, err := native.InspectFile(path)
	if err != nil {
		return err
	}
	process, err := native.Self()
	if err != nil {
		return err
	}
	return native.Check(info, process, Requirements())
}

// openImage opens the image, or takes it as it was opened before, and reads its descriptor.
func openImage(ctx context.Context, path string, l *live) error {
	image, err := native.Open(ctx, path)
	if err != nil {
		return err
	}
	descriptor, err := native.Lookup[abi.Descriptor](image, abi.Symbol)
	if err != nil {
		return fmt.Errorf("%w; export it as `var %s = abi.Descriptor{…}`", err, abi.Symbol)
	}
	if descriptor.ABI != abi.Version {
		return fmt.Errorf("%w: the plugin states ABI %d, this host has %d; build it against this host's abi package, with ABI: abi.Version",
			ErrABIVersion, descriptor.ABI, abi.Version)
	}
	if descriptor.New == nil {
		return fmt.Errorf("%w: its Descriptor has no New", ErrNoHandler)
	}
	l.image, l.descriptor = image, descriptor
	return nil
}

func handlesSomething(i abi.Instance) bool {
	switch i.(type) {
	case http.Handler, abi.BatchHandler, abi.ScheduleHandler:
		return true
	}
	return false
}

// abandon undoes what was done for candidates that won't flip.
func (h *Host) abandon(ctx context.Context, candidates []*candidate) {
	ctx, cancel := h.limit(context.WithoutCancel(ctx), h.opts.DrainTimeout)
	defer cancel()
	for _, c := range candidates {
		if c.live == nil {
			continue
		}
		if err := h.end(ctx, c.live); err != nil {
			h.log.Warn("close abandoned instance", "plugin", c.plugin.name, "generation", c.id.Short(), "err", err)
		}
		h.cool(c.live)
	}
}

// move is the candidate's story for those who asked.
func (c *candidate) move() Move {
	return Move{
		Plugin: c.plugin.name, From: c.from, To: c.id, Unchanged: c.unchanged,
		State: c.state, Phases: c.phases, Time: c.time,
	}
}

// newRefusal tells why a candidate failed at the step it was at.
func newRefusal(c *candidate, err error) *Refusal {
	r := &Refusal{
		Plugin: c.plugin.name, Source: c.file, Image: c.id, Phase: c.phase, Serves: c.from,
		Time: c.time, Message: err.Error(), Err: err,
	}
	var rejection *native.Rejection
	if errors.As(err, &rejection) {
		r.Reasons = rejection.Reasons
	}
	return r
}

// momentary says whether an error tells of the moment rather than of the image, since the file was being written or ctx, the
// caller's, has ended: it is worth another try and no refusal.
func momentary(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, generations.ErrChanged)
}
