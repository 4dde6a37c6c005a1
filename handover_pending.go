package sohost

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// pendingReload is a reload that a handover is to carry out.
type pendingReload struct {
	cause      cause
	candidates []*candidate // stored

	// What became of it; both are nil as long as no handover is through with it.
	done *Handover
	err  error
}

// pendingList holds the reloads that wait for a handover.
type pendingList struct {
	mu   sync.Mutex // guards all, and what became of each
	list []*pendingReload
}

func (l *pendingList) add(r *pendingReload) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, r)
}

func (l *pendingList) remove(r *pendingReload) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = slices.DeleteFunc(l.list, func(o *pendingReload) bool { return o == r })
}

// all returns the reloads that wait now.
func (l *pendingList) all() []*pendingReload {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

// finish records what became of the handover that had the reloads.
func (l *pendingList) finish(reloads []*pendingReload, done *Handover, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range reloads {
		r.done, r.err = done, err
	}
}

// outcome returns what became of a reload.
func (l *pendingList) outcome(r *pendingReload) (*Handover, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return r.done, r.err
}

// reloadByHandover has the next process load the candidates. reason is why this one can't.
func (h *Host) reloadByHandover(ctx context.Context, b *batch, reason error) (*Reload, error) {
	r := &pendingReload{cause: b.cause, candidates: b.candidates}
	h.pending.add(r)
	defer h.pending.remove(r)
	var names []string
	for _, c := range b.candidates {
		names = append(names, c.plugin.Name)
	}
	asked := h.opts.Process.Handover(ctx, fmt.Sprintf("%s of %s: %s", b.cause.by, strings.Join(names, ", "), brief(reason.Error())))
	done, err := h.pending.outcome(r)
	switch {
	case done != nil:
		return done.reloadOf(b.candidates), nil
	case err != nil:
		return nil, err
	case asked != nil:
		return nil, fmt.Errorf("it needs a new process, and there is none: %w; this one can't load it: %w", asked, reason)
	}
	return nil, ErrHandedOver // another handover was under way already
}

// reloadOf returns the part of a handover that concerns some candidates.
func (r *Handover) reloadOf(candidates []*candidate) *Reload {
	result := &Reload{Release: r.Release, Moves: []Move{}, Warning: r.Warning}
	for _, c := range candidates {
		m := c.move.clone()
		if i := slices.IndexFunc(r.Moves, func(m Move) bool { return m.Plugin == c.plugin.Name && m.To == c.move.To }); i >= 0 {
			m = r.Moves[i]
		}
		result.Moves = append(result.Moves, m)
	}
	return result
}

// maxBrief is the length of a text that is quoted in another one, in bytes.
const maxBrief = 300

// brief returns a text in one line, short enough to be quoted.
func brief(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxBrief {
		text = strings.ToValidUTF8(text[:maxBrief], "") + "…"
	}
	return text
}
