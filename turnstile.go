package sohost

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// turnstile is what reloads and checkpoints pass before they own plugins. A handover that has asked for the plugins shuts it: what
// hasn't begun by then waits until the handover is over, however much there is of it, so a handover waits only for what runs.
type turnstile struct {
	mu     sync.Mutex         // guards what follows
	asking int                // handovers that have asked and aren't over
	asked  context.Context    // ends when the next one asks
	ask    context.CancelFunc // ends asked
	over   chan struct{}      // closed when none asks any more; nil while none does
}

// shut lets nothing pass until open. It doesn't block.
func (t *turnstile) shut() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.asking++; t.asking > 1 {
		return
	}
	t.over = make(chan struct{})
	if t.ask != nil {
		t.ask()
		t.asked, t.ask = nil, nil
	}
}

func (t *turnstile) open() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.asking--; t.asking == 0 {
		close(t.over)
		t.over = nil
	}
}

// pass waits until no handover asks. The context that it returns ends when the next one does.
func (t *turnstile) pass(ctx context.Context) (asked context.Context, err error) {
	for {
		t.mu.Lock()
		if t.asked == nil {
			t.asked, t.ask = context.WithCancel(context.Background())
		}
		asked, over := t.asked, t.over
		t.mu.Unlock()
		if over == nil {
			return asked, nil
		}
		select {
		case <-over:
		case <-ctx.Done():
			return nil, fmt.Errorf("a handover is under way: %w", context.Cause(ctx))
		}
	}
}

// errYield ends the wait for owner tokens in favour of a handover.
var errYield = errors.New("a handover goes first")

// own takes the owner tokens of the plugins, which are ordered by name. Until it has all of them it gives them back to a handover
// that asks for the plugins, and waits for that. disown returns them. After an error none is held.
func (h *Host) own(ctx context.Context, plugins []*plugin) (disown func(), err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(h.lifetime, func() { cancel(h.Serving()) })()
	for {
		asked, err := h.turnstile.pass(ctx)
		if err != nil {
			return nil, err
		}
		if disown, err = ownUntil(ctx, asked, plugins); !errors.Is(err, errYield) {
			return disown, err
		}
	}
}

// ownUntil is own, which it lets fail with errYield when asked ends.
func ownUntil(ctx, asked context.Context, plugins []*plugin) (disown func(), err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(asked, func() { cancel(errYield) })()
	var owned []*plugin
	disown = func() {
		for _, p := range owned {
			p.disown()
		}
	}
	for _, p := range plugins {
		if err := p.own(ctx); err != nil {
			disown()
			return nil, fmt.Errorf("plugin %s: %w", p.Name, err)
		}
		owned = append(owned, p)
	}
	if asked.Err() != nil { // a token that is there is taken all the same
		disown()
		return nil, errYield
	}
	return disown, nil
}
