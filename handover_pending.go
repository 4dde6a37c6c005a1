package sohost

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// pendingReload is a reload that waits for a handover to carry it out.
type pendingReload struct {
	cause      cause
	candidates []*candidate // their images are in the store, pinned

	// The outcome. Both are nil until a handover that included the reload is over.
	done *Handover
	err  error
}

// pendingList holds the reloads that wait for a handover.
type pendingList struct {
	mu   sync.Mutex // guards list, and done and err of each entry; no other lock is taken under it
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

// all returns the reloads that are waiting now.
func (l *pendingList) all() []*pendingReload {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

// includable returns the reloads that are waiting now and that a handover can include. Those of plugins that were forgotten meanwhile have
// failed. The caller owns all plugins.
func (l *pendingList) includable() (reloads []*pendingReload) {
	for _, r := range l.all() {
		var unknown error
		for _, c := range r.candidates {
			unknown = cmp.Or(unknown, c.plugin.known())
		}
		if unknown != nil {
			l.finish([]*pendingReload{r}, nil, unknown)
			continue
		}
		reloads = append(reloads, r)
	}
	return reloads
}

// finish records the outcome of the handover that included the reloads.
func (l *pendingList) finish(reloads []*pendingReload, done *Handover, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range reloads {
		r.done, r.err = done, err
	}
}

// outcome returns the outcome of a reload.
func (l *pendingList) outcome(r *pendingReload) (*Handover, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return r.done, r.err
}

// reloadByHandover asks for a handover in which the next process loads the candidates. reason is why this process
// can't.
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
	return nil, ErrHandedOver // another handover, begun before this reload was added, has taken the plugins away
}

// reloadOf returns the part of the handover that concerns the candidates.
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

// maxBrief is the maximum length, in bytes, of a text quoted inside another.
const maxBrief = 300

// brief returns the text on one line, short enough to be quoted.
func brief(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxBrief {
		text = strings.ToValidUTF8(text[:maxBrief], "") + "…"
	}
	return text
}
