package ledger

import (
	"context"
	"sync"

	"github.com/sohost/sohost/generations"
)

// pins counts the running reloads that need an image which no release names yet, so that no prune takes it from them.
type pins struct {
	mu    sync.Mutex // guards count; taken with the store locked, so nothing is called with it held
	count map[generations.ID]int
}

func (p *pins) pin(id generations.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count == nil {
		p.count = map[generations.ID]int{}
	}
	p.count[id]++
}

func (p *pins) unpin(id generations.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count[id]--; p.count[id] == 0 {
		delete(p.count, id)
	}
}

func (p *pins) has(id generations.ID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count[id] > 0
}

// Add stores an image and pins it before any prune can remove it: Unpin lets go of it. After an error nothing is pinned.
func (l *Ledger) Add(ctx context.Context, file string) (generations.Object, error) {
	var pinned *generations.ID
	o, err := l.store.AddHeld(ctx, file, func(id generations.ID) {
		l.pins.pin(id)
		pinned = &id
	})
	if err != nil && pinned != nil {
		l.pins.unpin(*pinned)
	}
	return o, err
}

// Pin keeps an image that the store has from being pruned, until Unpin has been called as often as Pin and Add for it. It waits for a
// prune or publication that is under way.
func (l *Ledger) Pin(id generations.ID) {
	l.mu.Lock() // a prune may have found the image unused already
	defer l.mu.Unlock()
	l.pins.pin(id)
}

// Unpin takes one pin back.
func (l *Ledger) Unpin(id generations.ID) { l.pins.unpin(id) }

// Pinned returns how many images are pinned.
func (l *Ledger) Pinned() int {
	l.pins.mu.Lock()
	defer l.pins.mu.Unlock()
	return len(l.pins.count)
}
