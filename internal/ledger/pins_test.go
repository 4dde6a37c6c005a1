package ledger

import (
	"context"
	"sync"
	"testing"

	"github.com/sohost/sohost/generations"
)

// TestPins has images pinned by several reloads: each must be kept until the last of them is done with it.
func TestPins(t *testing.T) {
	b := newBook(t, Options{})
	one, two := generations.ID{1}, generations.ID{2}
	b.Pin(one)
	b.Pin(one)
	b.Pin(two)
	b.Unpin(one)
	b.Unpin(two)
	if !b.pins.has(one) || b.pins.has(two) {
		t.Errorf("pinned: one %v, want true; two %v, want false", b.pins.has(one), b.pins.has(two))
	}
	b.Unpin(one)
	if b.pins.has(one) || len(b.pins.count) != 0 {
		t.Errorf("pinned after the last Unpin: %v", b.pins.count)
	}
}

// slowly is a context that holds up who first asks it whether to go on.
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
