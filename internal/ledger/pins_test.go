package ledger

import (
	"context"
	"sync"
	"testing"

	"github.com/sohost/sohost/generations"
)

// TestPins pins an image for several reloads: it must be kept until the last of them is done with it.
func TestPins(t *testing.T) {
	b := newBook(t, Options{})
	one, two := generations.ID{1}, generations.ID{2}
	b.Pin(one)
	b.Pin(one)
	b.Pin(two)
	b.Unpin(one)
	b.Unpin(two)
	if !b.pins.has(one) || b.pins.has(two) || b.Pinned() != 1 {
		t.Errorf("pinned: one %v, want true; two %v, want false", b.pins.has(one), b.pins.has(two))
	}
	b.Unpin(one)
	if b.pins.has(one) || b.Pinned() != 0 {
		t.Errorf("pinned after the last Unpin: %v", b.pins.count)
	}
}

// TestPinsHammer pins and unpins from many goroutines.
func TestPinsHammer(t *testing.T) {
	b := newBook(t, Options{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 200 {
				id := generations.ID{byte(i % 3)}
				b.Pin(id)
				b.Pinned()
				b.Unpin(id)
			}
		})
	}
	all.Wait()
	if n := b.Pinned(); n != 0 {
		t.Errorf("%d images are pinned in the end", n)
	}
}

// slowly is a context that blocks the first caller of its Err.
type slowly struct {
	context.Context
	once  sync.Once
	begun chan<- struct{}
	goOn  <-chan struct{}
}

func (s *slowly) Err() error {
	s.once.Do(func() {
		close(s.begun)
		<-s.goOn
	})
	return s.Context.Err()
}
