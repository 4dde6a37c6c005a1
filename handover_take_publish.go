package sohost

import (
	"io"
	"math"

	"github.com/sohost/sohost/generations"
)

// finish publishes what the plan has changed, reports to the giver, and writes the states that arrived as checkpoints:
// if this process dies afterwards, nothing from before the handover is lost. It then returns the owner tokens.
func (t *taker) finish() {
	h := t.host
	report := t.publish()
	if err := t.giver.Send(message{Serving: report}); err != nil {
		h.log.Warn("report to the process before that this one serves", "err", err)
	}
	t.giver.Close()
	collector.endLater()
	for _, c := range t.candidates {
		if copied := t.copies[c]; copied != nil {
			t.write(c, io.NewSectionReader(copied, 0, math.MaxInt64), report.Release)
			copied.Close()
		}
		if a := t.arrivals[c]; a != nil && a.ahead && h.opts.CheckpointInterval > 0 && !t.writeCopy(c) {
			if err := c.plugin.checkpointOwned(h.lifetime); err != nil && h.lifetime.Err() == nil {
				h.log.Warn("checkpoint: "+c.plugin.stays(), "plugin", c.plugin.Name, "err", err)
			}
		}
		c.plugin.disown()
	}
	t.unpin()
}

// write writes a state as it was received: as a checkpoint if the plugin has that state now, and to be kept for a rollback
// if it is another image's.
func (t *taker) write(c *candidate, copied *io.SectionReader, release int) {
	h := t.host
	if c.move.To != c.move.From {
		err := c.keepCopy(release, copied)
		if err != nil {
			h.log.Error("the state from before can't be kept: a rollback won't bring back what was lost of it",
				"plugin", c.plugin.Name, "lost", several(c.move.State.Lost), "err", err)
		}
		copied.Seek(0, io.SeekStart) // can't fail
	}
	if h.opts.CheckpointInterval <= 0 || !c.next.Checkpointable() || c.move.State.Way == WayKept {
		return
	}
	if err := c.plugin.checkpointCopy(c.move.State, t.positions.Of(c.plugin.Name), copied, nil); err != nil {
		h.log.Warn("checkpoint: "+c.plugin.stays(), "plugin", c.plugin.Name, "err", err)
	}
}

// publish publishes what the plan has changed.
func (t *taker) publish() *Reload {
	h := t.host
	result := &Reload{Moves: []Move{}}
	var changed []*candidate
	why := cause{kind: generations.KindHandover, by: t.plan.Why}
	for _, e := range t.plan.Plugins {
		c := t.of[e.Plugin.Name]
		if c != nil && e.Cause != "" && c.move.To != c.move.From {
			changed = append(changed, c)
			why = cause{kind: e.Kind, by: e.Cause, rollbackOf: e.RollbackOf}
		}
	}
	result.Release, result.Warning = h.publish(why, changed, nil)
	for _, c := range t.candidates {
		isNew := c.move.To != c.move.From
		move := c.move.clone()
		if isNew || move.State.Way != WayNone {
			result.Moves = append(result.Moves, move)
		}
		if isNew {
			c.plugin.noteSuccess(move)
			h.logMove(why, move, result.Release)
			h.warn(move)
		}
	}
	h.ledger.Note(generations.Event{Kind: generations.KindHandover, Release: result.Release, Detail: t.plan.Why})
	return result
}
