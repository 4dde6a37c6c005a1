package sohost

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sohost/sohost/generations"
)

// Reload is what a deploy or a rollback did.
type Reload struct {
	// Release is the number of the release that is current now.
	Release int `json:"release"`

	// Moves has one entry for each plugin that was asked for, in the order of their names.
	Moves []Move `json:"moves"`

	// Warning says what went wrong after the flip, such as a release that could not be published. The new generations
	// serve all the same.
	Warning string `json:"warning,omitempty"`
}

// Move is one plugin's part in a Reload.
type Move struct {
	Plugin    string         `json:"plugin"`
	From      generations.ID `json:"from,omitzero"` // zero if nothing served before
	To        generations.ID `json:"to"`
	Unchanged bool           `json:"unchanged,omitempty"` // the image is the one that served already: nothing was done
	State     StateMove      `json:"state"`
	Phases    Phases         `json:"phases"`
	Time      time.Time      `json:"time"`
}

// Phases are the durations of the steps of one reload, in nanoseconds in JSON. A step that wasn't needed took 0.
type Phases struct {
	Store   time.Duration `json:"store"`   // copy and hash
	Check   time.Duration `json:"check"`   // read and compare
	Probe   time.Duration `json:"probe"`   // open it in a child process
	Open    time.Duration `json:"open"`    // map, link and init
	New     time.Duration `json:"new"`     // the plugin's New
	Drain   time.Duration `json:"drain"`   // until the last call of the old generation, callers waiting
	State   time.Duration `json:"state"`   // Stop, Export and Import, callers waiting
	Start   time.Duration `json:"start"`   // the plugin's Start, callers waiting if there is state
	Flip    time.Duration `json:"flip"`    // the swap of the pointer, and release of the callers
	Publish time.Duration `json:"publish"` // the release on disk
}

// Total is the time from the first step to the last.
func (p Phases) Total() time.Duration {
	return p.Store + p.Check + p.Probe + p.Open + p.New + p.Drain + p.State + p.Start + p.Flip + p.Publish
}

// timed runs a step and adds its duration to the field.
func timed(field *time.Duration, step func() error) error {
	begin := time.Now()
	err := step()
	*field += time.Since(begin)
	return err
}

// byName is the form in which the history keeps them.
func (p Phases) byName() map[string]time.Duration {
	return map[string]time.Duration{
		"store": p.Store, "check": p.Check, "probe": p.Probe, "open": p.Open, "new": p.New, "drain": p.Drain, "state": p.State,
		"start": p.Start, "flip": p.Flip, "publish": p.Publish,
	}
}

// cause says what asked for a reload.
type cause struct {
	kind       generations.Kind
	by         string // in words
	rollbackOf int    // the release whose images come back; 0: none
}

// target is one plugin's part in a reload that was asked for: an image in a file, or one in the store.
type target struct {
	plugin   *plugin
	file     string         // where the image comes from; told only, if it is stored
	stored   generations.ID // set if the image is in the store already
	onChange bool           // nobody asked for it but a change of the file

	// passedOver is the image that the plugin's own file holds, when that is another: a mere change of the file doesn't bring
	// it. It counts for images in the store; for others it is found out. In a rollback that is now, which rollback says, too.
	passedOver generations.ID
	rollback   bool
}

// reload carries targets through all the steps of ARCHITECTURE.md, together: all of them flip, or none does. What can't be
// done in this process is done in a fresh one, if there is a way to that.
//
// After an error every plugin serves what it served before, with its state. The error is ErrClosed or ErrHandedOver, that of
// ctx while another deploy of the plugin was waited for, or else a *Refusal. What it wraps may tell of the moment only: the end
// of ctx, or generations.ErrChanged when a file was written to while it was read.
func (h *Host) reload(ctx context.Context, why cause, targets []target) (*Reload, error) {
	result, candidates, failed, err := h.reloadHere(ctx, why, targets)
	defer h.unpin(candidates)
	if err == nil || failed == nil {
		return result, err
	}
	if h.opts.Fresh != nil && failed.fresh {
		if result, err = h.reloadFresh(ctx, why, candidates, err); err == nil || errors.Is(err, ErrHandedOver) {
			return result, err
		}
		failed.blame(err)
	}
	return nil, h.refuse(ctx, failed, err)
}

// blame makes the step that a failed handover tells of the candidate's own.
func (c *candidate) blame(err error) {
	c.phase = "handover"
	var refused *Refusal
	if errors.As(err, &refused) && refused.Plugin == c.plugin.name {
		c.phase = refused.Phase
	}
}

// reloadHere is reload in this process. With an error that isn't a Refusal yet comes the candidate that failed.
func (h *Host) reloadHere(ctx context.Context, why cause, targets []target) (*Reload, []*candidate, *candidate, error) {
	// Owners are taken in the order of names, so that two reloads can't wait for each other.
	slices.SortFunc(targets, func(a, b target) int { return byName(a.plugin, b.plugin) })
	for _, t := range targets {
		if err := h.own(ctx, t.plugin); err != nil {
			return nil, nil, nil, fmt.Errorf("plugin %s: %w", t.plugin.name, err)
		}
		// Kept until the release is published: otherwise a newer reload could be overtaken on disk by an older one.
		defer t.plugin.disown()
	}
	candidates, failed, err := h.bring(ctx, targets)
	defer h.endTrials(candidates)
	if err != nil {
		return nil, candidates, failed, err
	}
	return h.settle(why, candidates), candidates, nil, nil
}

// own waits for the plugin's owner token until the host is closed, which then keeps it.
func (h *Host) own(ctx context.Context, p *plugin) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(h.lifetime, func() { cancel(context.Cause(h.lifetime)) })()
	return p.own(ctx)
}

// bring prepares the candidates of targets and makes them current. Whoever calls it owns the plugins. After an error it tells
// the candidate that failed, if it is one's fault.
func (h *Host) bring(ctx context.Context, targets []target) (candidates []*candidate, failed *candidate, err error) {
	if h.lifetime.Err() != nil {
		return nil, nil, context.Cause(h.lifetime)
	}
	for _, t := range targets {
		c := newCandidate(t)
		candidates = append(candidates, c)
		if failed != nil { // a fresh process will want it, too
			if _, err := h.storeImage(ctx, c); err != nil {
				c.phase = "store"
				return candidates, c, err
			}
			continue
		}
		if err = h.prepare(ctx, c); err != nil {
			h.abandon(ctx, candidates)
			if failed = c; !c.fresh || h.opts.Fresh == nil {
				return candidates, c, err
			}
		}
	}
	if failed != nil {
		return candidates, failed, err
	}
	failed, err = h.flip(ctx, changed(candidates))
	return candidates, failed, err
}

// newCandidate makes the candidate of a target whose plugin is owned.
func newCandidate(t target) *candidate {
	c := &candidate{target: t, serves: t.plugin.current(), from: t.plugin.currentID(), time: time.Now()}
	c.state.Way = WayNone
	return c
}

// settle publishes what bring has made current, lets the old generations go, and tells of it.
func (h *Host) settle(why cause, candidates []*candidate) *Reload {
	result := &Reload{Moves: []Move{}}
	var err error
	if result.Release, err = h.publish(why, changed(candidates)); err != nil {
		result.Warning = fmt.Sprintf("publish release: %v; the new generations serve, but a restart boots release %d",
			err, result.Release)
		h.log.Error("publish release", "err", err, "boots", result.Release)
	}
	for _, c := range candidates {
		if !c.unchanged {
			c.plugin.kept = c.keep
			c.countWaits()
			if err := c.live.uncheckpointed(); err != nil {
				h.log.Warn("state has no checkpoints: a restart loses it", "plugin", c.plugin.name, "generation", c.id.Short(), "why", err)
			}
			h.retireLater(c.plugin, c.serves)
		}
		move := c.move()
		result.Moves = append(result.Moves, move)
		c.plugin.took(move)
		h.logMove(why, move, result.Release)
	}
	return result
}

// countWaits tells of the callers who waited at the gate. They went on at the flip, before the release was written.
func (c *candidate) countWaits() {
	if c.gate == nil {
		return
	}
	if s := c.gate.Stats(); s.Passed > 0 {
		c.state.Waited = &Waited{Calls: s.Passed, P50: s.P50, P99: s.P99, Max: s.Max}
	}
}

// changed are the candidates whose image is not the one that served.
func changed(candidates []*candidate) []*candidate {
	return slices.DeleteFunc(slices.Clone(candidates), func(c *candidate) bool { return c.unchanged })
}

func (h *Host) unpin(candidates []*candidate) {
	for _, c := range candidates {
		if !c.pinned.IsZero() {
			h.pins.unpin(c.pinned)
		}
	}
}

// refuse makes an error the newest refusal of the candidate's plugin, and logs it.
func (h *Host) refuse(ctx context.Context, c *candidate, err error) error {
	if known, ok := err.(*Refusal); ok {
		return known
	}
	r := newRefusal(c, err)
	if momentary(ctx, err) {
		return r
	}
	p := c.plugin
	p.refuse(r)
	h.log.Error("refused", "plugin", p.name, "phase", r.Phase, "image", r.Image.Short(), "serves", r.Serves.Short(),
		"source", r.Source, "why", strings.TrimSpace(r.Message))
	h.remember(generations.Event{
		Kind: generations.KindRefuse, Plugin: p.name, From: c.from, To: c.id, Detail: r.Phase + ": " + r.Message,
	})
	return r
}

// refusal is why the newest image was not taken, or nil.
func (p *plugin) refusal() *Refusal {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused
}

// refuse makes r the newest refusal; nil is none.
func (p *plugin) refuse(r *Refusal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused = r
}

// took notes a success.
func (p *plugin) took(m Move) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused = nil
	if !m.Unchanged {
		p.last = &m
	}
}

func (h *Host) logMove(why cause, m Move, release int) {
	if m.Unchanged {
		h.log.Debug("unchanged", "plugin", m.Plugin, "generation", m.To.Short())
		return
	}
	attrs := []any{"plugin", m.Plugin, "cause", why.by}
	if !m.From.IsZero() {
		attrs = append(attrs, "from", m.From.Short())
	}
	p := m.Phases
	h.log.Info("reloaded", append(attrs, "to", m.To.Short(), "release", release, "state", m.State.Way, "total", p.Total(),
		"store", p.Store, "check", p.Check, "probe", p.Probe, "open", p.Open, "new", p.New, "drain", p.Drain, "move", p.State,
		"start", p.Start, "flip", p.Flip, "publish", p.Publish)...)
}
