package sohost

import (
	"context"
	"fmt"
)

// commit tells the taker that the plugins are its own. Once that message is on its way, nothing here serves state
// again, whatever fails. Callers who wait, and all who come later, are forwarded. A model of the protocol, TestModel of
// package supervisor, checks that this guard, and the one in goOn, is enough.
//
// It runs with the owner tokens and adding held, and takes ledger.mu; retireLater takes plugin.mu below that.
func (g *giver) commit() error {
	h := g.host
	last := h.triggers.Save()                  // they are paused
	return h.ledger.Exclusively(func() error { // no prune, and no publication that the plan doesn't have
		if err := g.send(message{Yours: true, Triggers: &last}); err != nil {
			return err
		}
		g.given = true
		h.successor.Store(&successor{forward: g.opts.Forward}) // before stop and the slots: what finds one empty asks for it
		h.stop(ErrHandedOver)
		h.triggers.End(context.Background(), ErrHandedOver, false) // no call runs
		var copied []*gated
		moving := map[*plugin]*gated{}
		for _, m := range g.moving {
			moving[m.plugin] = m
		}
		for _, p := range g.plugins {
			m := moving[p]
			if m == nil {
				m = newGated(p)
			}
			for _, k := range p.kept {
				if k.File == "" {
					h.log.Warn("a state that was kept in memory for a rollback is lost with the handover", "plugin", p.Name, "generation", k.Image.Short())
				}
			}
			m.replace(nil)
			if g.copies[p] == nil {
				h.retireLater(p, m.serves)
			} else {
				copied = append(copied, m)
			}
		}
		h.tasks.Go(func() { // one after the other, as the taker reads them
			for _, m := range copied {
				g.writeCopy(m.plugin)
				h.retireLater(m.plugin, m.serves)
			}
		})
		g.noteRemoved()
		h.tasks.Go(func() { // the taker waits for it
			if err := h.closeBacklog(); err != nil {
				h.log.Warn("close the backlog of writes after a handover", "err", err)
			}
		})
		h.tasks.Go(h.watcher.Close)             // the kernel takes some milliseconds for it
		if err := h.store.Close(); err != nil { // past the commit nothing may fail any more
			h.log.Warn("close the store after a handover", "err", err)
		}
		return nil
	})
}

// awaitServing waits for the taker to report that it serves. If it doesn't, that is only a warning: the plugins are the
// taker's.
func (g *giver) awaitServing() error {
	m, err := g.receive()
	for _, moved := range g.moving { // by now the callers have gone on, so all are counted
		g.report.Waited = moved.waited(g.report.Waited)
	}
	if err == nil && m.Serving == nil {
		err = errOutOfOrder
	}
	if err != nil {
		g.report.Warning = fmt.Sprintf("the new process has the plugins but did not report that it serves: %v", err)
		return nil
	}
	g.report.Release, g.report.Moves, g.report.Warning = m.Serving.Release, m.Serving.Moves, m.Serving.Warning
	return nil
}
