package sohost

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// BootProgress says how far a boot is. It is also the form in which Process.Booting is told.
type BootProgress struct {
	Done    int      `json:"done"`              // how many plugins are up, or refused
	Total   int      `json:"total"`             // how many there are
	Pending []string `json:"pending,omitempty"` // the names of the others, 20 at most
}

// String returns the progress in words.
func (p BootProgress) String() string {
	left := p.Total - p.Done
	if left == 0 {
		return fmt.Sprintf("booted %d of %d plugins", p.Done, p.Total)
	}
	names := strings.Join(p.Pending, ", ")
	if more := left - len(p.Pending); more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("booted %d of %d plugins; pending: %s", p.Done, p.Total, names)
}

// shownPending is how many names a BootProgress has.
const shownPending = 20

func (b *boots) progress() BootProgress {
	b.mu.Lock()
	defer b.mu.Unlock()
	return BootProgress{
		Done: b.total - len(b.pending), Total: b.total, Pending: slices.Clone(b.pending[:min(len(b.pending), shownPending)]),
	}
}

// tell reports the progress.
func (b *boots) tell() {
	if report := b.host.opts.Process.Booting; report != nil && b.total > 0 {
		b.telling.Lock()
		defer b.telling.Unlock()
		report(b.progress())
	}
}

// end ends the boot, with the error if it has failed.
func (b *boots) end(err error) {
	b.err = err
	close(b.over)
}

// Booted waits until every plugin has booted or failed, and the release is published. The error is the one that New returns, or the
// cause of ctx's end; after the first all that is left to do is Close.
func (h *Host) Booted(ctx context.Context) error {
	if h.boots == nil {
		return nil
	}
	select {
	case <-h.boots.over:
		return h.boots.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// booted waits for the end of the boot in favour of something that must not run beside it.
func (h *Host) booted(ctx context.Context) error {
	if h.boots == nil {
		return nil
	}
	select {
	case <-h.boots.over:
		return nil
	case <-h.lifetime.Done():
		return h.Serving()
	case <-ctx.Done():
		return fmt.Errorf("the server still boots (%v): %w", h.boots.progress(), context.Cause(ctx))
	}
}

// booting returns how far the boot is, nil if none runs.
func (h *Host) booting() *BootProgress {
	if h.boots == nil {
		return nil
	}
	select {
	case <-h.boots.over:
		return nil
	default:
		progress := h.boots.progress()
		return &progress
	}
}

// isBooting reports whether the plugin's boot has not ended.
func (p *plugin) isBooting() bool {
	if p.up == nil {
		return false
	}
	select {
	case <-p.up:
		return false
	default:
		return true
	}
}

// awaitUp waits until the boot of a plugin whose slot is empty has ended. It returns false at once if that has been so, and if callers
// don't wait any more. No gate is used for it: a gate holds callers for as long as a move may take, and far too many could wait.
func (p *plugin) awaitUp(ctx context.Context) bool {
	if !p.isBooting() {
		return false
	}
	select {
	case <-p.up:
		return true
	case <-p.host.boots.impatient:
	case <-ctx.Done():
	}
	return false
}
