package ledger

import (
	"context"
	"errors"
	"sync"

	"github.com/sohost/sohost/generations"
)

// pins counts, for each image, the running reloads that need it. No release names it yet, so the pin is what keeps a
// prune from removing it.
type pins struct {
	mu    sync.Mutex // guards count; the innermost lock: taken with the store locked, and no other lock is taken under it
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

// Add stores an image, and pins it before any prune can remove it. Unpin releases it. Add blocks until the file is
// copied, but holds up nobody else meanwhile. After an error nothing is pinned.
func (l *Ledger) Add(ctx context.Context, file string) (generations.Object, error) {
	o, settle, err := l.AddSoon(ctx, file)
	if err != nil {
		return generations.Object{}, err
	}
	if err := settle(); err != nil {
		l.pins.unpin(o.ID)
		return generations.Object{}, err
	}
	return o, nil
}

// AddSoon is Add without its last step, settle, before which no release may name the image: see generations.Store.AddSoon. After an
// error of settle the image is still pinned.
func (l *Ledger) AddSoon(ctx context.Context, file string) (o generations.Object, settle func() error, err error) {
	var pinned *generations.ID
	o, settle, err = l.store.AddSoon(ctx, file, func(id generations.ID) {
		l.pins.pin(id)
		pinned = &id
	})
	if err != nil && pinned != nil {
		l.pins.unpin(*pinned)
	}
	return o, settle, err
}

// Pin keeps an image in the store from being pruned. It needs one Unpin for each Pin or Add. It waits for a publication,
// confirmation or prune that is under way.
func (l *Ledger) Pin(id generations.ID) {
	l.mu.Lock() // a running prune may have found the image unused already
	defer l.mu.Unlock()
	l.pins.pin(id)
}

// Unpin removes one pin.
func (l *Ledger) Unpin(id generations.ID) { l.pins.unpin(id) }

// Drop removes an image from the store that no release names, no pin holds and this process has not opened. It waits for a publication,
// confirmation or prune that is under way. If it fails, a later prune removes the image.
func (l *Ledger) Drop(id generations.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.store.Drop(id, l.inUse()); err != nil && !errors.Is(err, generations.ErrStoreClosed) {
		l.opts.Logger.Warn("cannot remove a refused image from the store; the next prune will", "image", id.Short(), "err", err)
	}
}

// Pinned returns the number of images that are pinned.
func (l *Ledger) Pinned() int {
	l.pins.mu.Lock()
	defer l.pins.mu.Unlock()
	return len(l.pins.count)
}
