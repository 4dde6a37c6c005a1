package listener

import (
	"context"
	"sync"
)

// pending counts what Shutdown waits for: listeners that may still bring connections, and the connections, but for hijacked ones.
type pending struct {
	mu   sync.Mutex // guards what follows
	n    int
	none chan struct{} // closed when there is nothing; nil while nobody waits
}

func (p *pending) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n += n; p.n == 0 && p.none != nil {
		close(p.none)
		p.none = nil
	}
}

// wait waits until there is nothing, or until ctx ends.
func (p *pending) wait(ctx context.Context) error {
	p.mu.Lock()
	if p.n == 0 {
		p.mu.Unlock()
		return nil
	}
	if p.none == nil {
		p.none = make(chan struct{})
	}
	none := p.none
	p.mu.Unlock()
	select {
	case <-none:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
