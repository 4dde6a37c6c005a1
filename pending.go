package sohost

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// fresh holds the reloads that wait for a fresh process.
type fresh struct {
	mu      sync.Mutex // guards waiting, and what a handover tells each errand
	waiting []*errand
}

// errand is a reload that a handover is to carry out.
type errand struct {
	why        cause
	candidates []*candidate // stored

	done *Handover
	err  error
}

func (f *fresh) add(e *errand) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = append(f.waiting, e)
}

// take gives the errands to a handover.
func (f *fresh) take() []*errand {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.waiting)
}

// finish tells the errands what became of the handover.
func (f *fresh) finish(errands []*errand, done *Handover, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range errands {
		e.done, e.err = done, err
	}
}

// outcome is what became of an errand. Both are nil if no handover was through with it.
func (f *fresh) outcome(e *errand) (*Handover, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return e.done, e.err
}

func (f *fresh) remove(e *errand) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = slices.DeleteFunc(f.waiting, func(o *errand) bool { return o == e })
}

// reloadFresh has a fresh process take the candidates along. reason is why this one can't.
func (h *Host) reloadFresh(ctx context.Context, why cause, candidates []*candidate, reason error) (*Reload, error) {
	e := &errand{why: why, candidates: candidates}
	h.fresh.add(e)
	defer h.fresh.remove(e)
	var names []string
	for _, c := range candidates {
		names = append(names, c.plugin.name)
	}
	asked := h.opts.Fresh(ctx, fmt.Sprintf("%s of %s: %s", why.by, strings.Join(names, ", "), brief(reason.Error())))
	done, err := h.fresh.outcome(e)
	switch {
	case done != nil:
		return done.reloadOf(candidates), nil
	case err != nil:
		return nil, err
	case asked != nil:
		return nil, fmt.Errorf("it needs a fresh process, and there is none: %w; what speaks against this one: %w", asked, reason)
	}
	return nil, ErrHandedOver // another handover was under way already
}

// reloadOf is the part that concerns some candidates.
func (r *Handover) reloadOf(candidates []*candidate) *Reload {
	result := &Reload{Release: r.Release, Moves: []Move{}, Warning: r.Warning}
	for _, c := range candidates {
		m := c.move()
		if i := slices.IndexFunc(r.Moves, func(m Move) bool { return m.Plugin == c.plugin.name && m.To == c.id }); i >= 0 {
			m = r.Moves[i]
		}
		result.Moves = append(result.Moves, m)
	}
	return result
}

// brief is a text in one line, short enough to be told among others.
func brief(text string) string {
	const most = 300
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
