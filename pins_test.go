package sohost

import (
	"testing"

	"github.com/sohost/sohost/generations"
)

// TestPins has images pinned by several deploys: each must be kept until the last of them is done with it.
func TestPins(t *testing.T) {
	var p pins
	a, b := generations.ID{1}, generations.ID{2}
	pinned := func(id generations.ID) (yes bool) {
		p.exclude(func(pinned func(generations.ID) bool) { yes = pinned(id) })
		return yes
	}
	p.pin(a)
	p.pin(a)
	p.pin(b)
	p.unpin(a)
	p.unpin(b)
	if !pinned(a) || pinned(b) {
		t.Errorf("pinned: a %v, want true; b %v, want false", pinned(a), pinned(b))
	}
	p.unpin(a)
	if pinned(a) {
		t.Error("a is pinned after its last unpin")
	}
}
