package sohost

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/checkpoint"
	"github.com/sohost/sohost/internal/instance"
)

// kept is the state of a generation from before a flip that lost some of it, or may have. It stays until the release of
// that flip is confirmed: until then, a rollback brings back what was lost. It is in a file if it can be written, and in
// memory only if it can't.
type kept struct {
	checkpoint.Kept
	given abi.State // Value is nil if the state is in the file
}

// KeptState describes a state that is kept for a rollback.
type KeptState struct {
	Image   generations.ID `json:"image,omitzero"` // whose state it is; zero if that isn't known
	Release int            `json:"release"`        // the release that lost something of it; once that is confirmed it is removed
	Time    time.Time      `json:"time"`
	Bytes   int64          `json:"bytes,omitempty"` // of the file

	// MemoryOnly says that the state can't be written to a file, so that a restart or a handover loses it.
	MemoryOnly bool `json:"memory_only,omitempty"`
}

// setKept replaces the plugin's kept states. The caller owns the plugin.
func (p *plugin) setKept(all []*kept) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = all
}

// keptStatesLocked returns the description of the plugin's kept states, the newest first. It needs mu.
func (p *plugin) keptStatesLocked() (all []KeptState) {
	for _, k := range p.kept {
		all = append(all, KeptState{Image: k.Image, Release: k.Release, Time: k.Time, Bytes: k.Size, MemoryOnly: k.File == ""})
	}
	return all
}

// findKept finds the states that an earlier process has kept, and removes those that are no longer needed. The caller
// owns the plugin, or nobody else knows it yet.
func (p *plugin) findKept() {
	h := p.host
	found, err := h.checkpoints.Kept(p.Name)
	if err != nil {
		h.log.Warn("states kept for a rollback can't be found", "plugin", p.Name, "err", err)
	}
	var all []*kept
	for _, k := range found {
		all = append(all, &kept{Kept: k})
	}
	p.setKept(all)
	if !p.needsKept() {
		p.forgetConfirmed()
	}
}

// needsKept reports whether a restart would have to go back to what is kept: no checkpoint is newer. What is kept stays then,
// even if its release is confirmed, because the newest alone may lack what the others have.
func (p *plugin) needsKept() bool {
	return p.host.opts.CheckpointInterval >= 0 && len(p.kept) > 0 && p.kept[0].Time.After(p.host.checkpoints.Written(p.Name))
}

// forgetConfirmed removes what is kept for rollbacks of releases up to the confirmed one. The caller owns the plugin, or
// nobody else knows it yet.
func (p *plugin) forgetConfirmed() {
	if len(p.kept) == 0 {
		return
	}
	confirmed, err := p.host.store.Confirmed()
	if err != nil {
		return
	}
	var rest []*kept
	for _, k := range p.kept {
		if k.Release <= confirmed.Number {
			p.forget(k)
		} else {
			rest = append(rest, k)
		}
	}
	p.setKept(rest)
}

// keepLast is keep for a state that the plugin was booted with: its last checkpoint, by whatever code.
func (p *plugin) keepLast(release int) {
	k, err := p.host.checkpoints.KeepLast(p.Name, release)
	if err != nil {
		p.host.log.Warn("the checkpoint that has lost something can't be kept for a rollback", "plugin", p.Name, "err", err)
		return
	}
	p.addKept(&kept{Kept: k})
}

// mostKept is how many states of one plugin are kept at most. Without a bound, a state that is reloaded again and again
// before it is confirmed would fill the disk.
const mostKept = 8

// keep keeps a state that the release has lost something of. It blocks until the state is on disk: nothing else may
// touch the value until then. The caller owns the plugin. The result is a warning, or empty.
func (p *plugin) keep(k *kept, of *instance.Instance) (warning string) {
	if k.File == "" {
		err := errors.New("it has no type that can be written")
		if of.Checkpointable() {
			var written checkpoint.Kept
			written, err = p.host.checkpoints.Keep(p.Name, k.Kept, func(w io.Writer) error { return instance.Encode(w, k.given, p.host.opts.StateLimit) })
			if err == nil {
				k.Kept, k.given.Value = written, nil
			}
		}
		if err != nil && !k.Unsure {
			warning = fmt.Sprintf("the state of generation %s is kept for a rollback in memory only, and a restart or a handover loses it: %v",
				k.Image.Short(), err)
			p.host.log.Warn("state is kept in memory only: a restart or a handover loses it", "plugin", p.Name,
				"generation", k.Image.Short(), "why", err)
		}
	}
	p.addKept(k)
	return warning
}

// addKept adds a kept state, in place of an earlier one of the same image and release. Of those of which nothing is known to
// be lost only the newest stays: code whose Import runs at each reload would fill the disk with them.
func (p *plugin) addKept(k *kept) {
	all := slices.DeleteFunc(slices.Clone(p.kept), func(o *kept) bool {
		superseded := k.Unsure && o.Unsure || o.Image == k.Image && o.Release == k.Release
		if superseded && o.File != "" && o.File != k.File {
			if err := p.host.checkpoints.Forget(o.Kept); err != nil {
				p.host.log.Warn("remove a kept state that is no longer needed", "plugin", p.Name, "err", err)
			}
		}
		return superseded
	})
	all = append(all, k)
	slices.SortStableFunc(all, func(a, b *kept) int { return b.Time.Compare(a.Time) })
	for len(all) > mostKept {
		oldest := all[len(all)-1]
		p.host.log.Warn("too many states are kept for a rollback: the oldest is removed", "plugin", p.Name,
			"generation", oldest.Image.Short(), "age", time.Since(oldest.Time), "limit", mostKept)
		p.forget(oldest)
		all = all[:len(all)-1]
	}
	p.setKept(all)
}

// forget removes a kept state's file. If it is newer than every checkpoint, it becomes the last one: the code that serves has
// written none, perhaps since it takes no state, and code that does may come back.
func (p *plugin) forget(k *kept) {
	dir := p.host.checkpoints
	if k.File == "" {
		return
	}
	var err error
	if !k.Image.IsZero() && k.Time.After(dir.Written(p.Name)) && p.host.opts.CheckpointInterval >= 0 {
		err = dir.Promote(p.Name, k.Kept)
	} else {
		err = dir.Forget(k.Kept)
	}
	if err != nil {
		p.host.log.Warn("remove a kept state that is no longer needed", "plugin", p.Name, "err", err)
	}
}

// forgetKept removes what is kept for rollbacks of releases up to the one that was confirmed just now. Where a restart would
// need it, a checkpoint is taken first. If none can be had, all of it stays until there is one.
func (h *Host) forgetKept() {
	for _, p := range h.plugins() {
		disown, err := h.own(h.lifetime, []*plugin{p})
		if err != nil { // the next process forgets them
			return
		}
		if g := p.serving(); g != nil && g.Value().Checkpointable() && p.needsKept() {
			if !p.overdue() {
				if err := p.checkpointOwned(h.lifetime); err != nil && h.lifetime.Err() == nil {
					h.log.Warn("checkpoint: what is kept for a rollback stays", "plugin", p.Name, "err", err)
				}
			}
		} else {
			p.forgetConfirmed()
		}
		disown()
	}
	h.retired.up() // a handover that was held up by what was kept in memory is possible now
}

// keptInMemory returns why a handover that nobody has ordered is to wait, and how long: a state that has lost something is kept in
// memory only, and its release is in probation. A release that is never confirmed holds nothing up.
func (h *Host) keptInMemory() (wait time.Duration, why error) {
	for _, p := range h.plugins() {
		p.mu.Lock()
		for _, k := range p.kept {
			if left := h.opts.Probation - time.Since(k.Time); k.File == "" && !k.Unsure && left > wait {
				wait = left
				why = fmt.Errorf("plugin %s: it would lose the state that is kept for a rollback in memory only; it waits until release %d "+
					"is confirmed, and `sohost handover` doesn't wait", p.Name, k.Release)
			}
		}
		p.mu.Unlock()
	}
	return wait, why
}

// keepState keeps what the candidate's move has lost, once it has flipped. The result is a warning, or empty.
func (c *candidate) keepState(release int) (warning string) {
	if c.keepsLast {
		c.plugin.keepLast(release)
	}
	if c.kept == nil {
		return ""
	}
	c.kept.Release, c.kept.Unsure = release, !c.surelyLost(c.kept.given.Schema, c.kept.given.Version)
	return c.plugin.keep(c.kept, c.old.serves.Value().Instance)
}

// surelyLost reports whether something of a state of that schema and version is known to be lost by the candidate's move, or to be another
// thing now.
func (c *candidate) surelyLost(schema string, version int) bool {
	wants := c.next.Image().Wants()
	return len(c.move.State.Lost) > 0 || c.move.State.Way == WayKept || schema != wants.Schema || version != wants.Version
}

// joinWarnings joins two warnings, each of which may be empty.
func joinWarnings(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

// keepCopy keeps a state that was received from another process.
func (c *candidate) keepCopy(release int, copied io.Reader) error {
	k := checkpoint.Kept{Image: c.move.From, Release: release, Unsure: !c.surelyLost(c.move.State.Schema, c.move.State.Version)}
	k, err := c.plugin.host.checkpoints.Keep(c.plugin.Name, k, func(w io.Writer) error {
		_, err := io.Copy(w, copied)
		return err
	})
	if err == nil {
		c.plugin.addKept(&kept{Kept: k})
	}
	return err
}
