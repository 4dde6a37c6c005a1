package sohost

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/blame"
	"github.com/sohost/sohost/native"
)

// fallback returns the entry that the plugin goes back to because the current release's image can't be used, for whatever reason:
//
//   - it is in quarantine: what Record.Fallback returns
//   - it doesn't fit this program, as it may have been made for another one, which this one has replaced again: the same, of the
//     images that do
//   - any other: the confirmed image. If the plugin was left out, that is no help once every plugin has had its turn
func (b *booting) fallback(entry generations.Entry, refused *Refusal) (generations.Entry, bool) {
	suspect := blame.Suspect{Plugin: b.Name, Image: entry.Image}
	var rejection *native.Rejection
	switch {
	case b.leftOut && b.record.InVain(b.host.opts.Process.CrashesInARow, generations.Now()):
		return generations.Entry{}, false
	case b.quarantined(entry):
		return b.record.Fallback(suspect)
	case refused == nil || !errors.As(refused.Err, &rejection) || rejection.NeedsNewProcess():
		return b.record.LastGood(suspect)
	}
	fitting := *b.record
	fitting.Quarantined = func(id generations.ID) bool {
		object, err := b.host.store.Object(id)
		return err != nil || b.record.Quarantined(id) || b.host.loader.Check(object.Path, b.API) != nil
	}
	return fitting.Fallback(suspect)
}

// restoreObject reports whether the store had damaged the image of an entry, and has it again, because the plugin's file still has it.
func (b *booting) restoreObject(ctx context.Context, e generations.Entry) bool {
	if r := b.refusal(); r == nil || r.Phase != PhaseStore {
		return false
	}
	object, err := b.host.ledger.Add(ctx, b.Image)
	if err != nil {
		return false
	}
	b.host.ledger.Unpin(object.ID)
	if object.ID != e.Image {
		b.host.ledger.Drop(object.ID)
		return false
	}
	b.host.log.Warn("the image was damaged in the store, and comes from its file again", "plugin", b.Name, "image", e.Image.Short(), "file", b.Image)
	b.refused = nil
	return true
}

// quarantined reports whether the image of an entry is in quarantine. A release names the fallback then. In all other cases the next
// boot tries the entry again.
func (b *booting) quarantined(e generations.Entry) bool {
	return b.host.judge.Quarantined(e.Image) != nil
}

// tryAgain has the current release's image tried again if what was refused may have been so for the moment only: see retryLater.
func (b *booting) tryAgain(f *failure) {
	if _, known := b.release.Plugins[b.Name]; !known {
		return
	}
	switch r := b.refusal(); {
	case r == nil || !r.Retry.IsZero() || f.needsHandover:
	case slices.Contains([]Phase{PhaseProbe, PhaseNew, PhaseState, PhaseStart}, r.Phase):
		later := *r
		later.Retry = time.Now().Add(blame.Cooldown(0))
		b.setRefusal(&later)
	}
}

// leaveOut refuses the current release's image of the plugin, because processes keep crashing and that may be the reason. It is tried
// again later: see retryLater.
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
	h.noteRefusal(c, r)
}
