package sohost

import (
	"fmt"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/crash"
)

// tell tells whoever observes the host of an event that the history doesn't keep.
func (h *Host) tell(e generations.Event) { h.opts.Events(e.Normal()) }

// tellPhase tells that a phase of the candidate's reload begins, and before the first one after the image turned out to be another that
// the reload does. Boots and takers make too many at a time for anyone to follow.
func (c *candidate) tellPhase(phase Phase) {
	if c.lane != nil || c.trusted || phase == PhaseStore || phase == c.told {
		return
	}
	h, e := c.plugin.host, generations.Event{Plugin: c.plugin.Name, From: c.move.From, To: c.move.To, Trace: c.trace}
	if c.told == "" {
		e.Kind, e.Phases = generations.KindReload, c.move.Phases.byName()
		h.tell(e)
		e.Phases = nil
	}
	c.told = phase
	e.Kind, e.Detail = generations.KindPhase, string(phase)
	h.tell(e)
}

// tellFlip tells that callers get the candidate from here on, unless they got the same image before, from another process.
func (c *candidate) tellFlip() {
	if c.move.From != c.move.To {
		c.plugin.host.tell(generations.Event{Kind: generations.KindFlip, Plugin: c.plugin.Name, From: c.move.From, To: c.move.To})
	}
}

// tellOver tells of the end of a reload that has failed here, for all candidates but one that was refused. kind is KindDefer if it goes on
// elsewhere.
func (b *batch) tellOver(kind generations.Kind, why error) {
	for _, c := range b.candidates {
		if c.told != "" {
			b.host.tell(generations.Event{
				Kind: kind, Plugin: c.plugin.Name, From: c.move.From, To: c.move.To, Detail: why.Error(), Phases: c.move.Phases.byName(),
			})
		}
	}
}

// tellTrigger tells of an error of a trigger's call.
func (h *Host) tellTrigger(plugin, trigger string, err error, disabled bool) {
	e := generations.Event{Kind: generations.KindTriggerFailed, Plugin: plugin, Detail: trigger + ": " + err.Error()}
	if disabled {
		e.Kind = generations.KindTriggerDisabled
	}
	h.tell(e)
}

// panicPause is the shortest time between two panics of a plugin that are told: one that panics in each request would crowd out all else.
const panicPause = time.Second

// tellPanic tells of a panic in a request.
func (p *plugin) tellPanic(l *loaded, request string, value any, stack string) {
	now, last := time.Now().UnixNano(), p.panicTold.Load()
	if now-last < int64(panicPause) || !p.panicTold.CompareAndSwap(last, now) {
		return
	}
	p.host.tell(generations.Event{Kind: generations.KindPanic, Plugin: p.Name, From: l.id,
		Detail: fmt.Sprintf("%s: %v\n%s", request, value, crash.Readable(stack, l.Image().Module()))})
}
