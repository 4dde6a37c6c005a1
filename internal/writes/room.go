package writes

import (
	"context"
	"fmt"
	"time"
)

const (
	// roomFor is how many bodies of the largest size are parsed and taken at a time, or so many more smaller ones. Their tables take several
	// times the memory of the text.
	roomFor = 4

	// placeSize is how much of a body needs one place in the room, in bytes.
	placeSize = 64 << 10

	// heldFor is how many bodies of the largest size are in memory at a time, read, in part or as a whole, or so many more smaller ones.
	heldFor = 16

	// patience is how long a write waits for room.
	patience = 10 * time.Second
)

// room bounds how much there is of something at a time. Those who wait get it in turn, so that a large body isn't overtaken for ever.
type room struct {
	turn   chan struct{} // has an element while somebody takes places
	places chan struct{} // has an element for each place that is taken
}

// newRoom returns a room for so many bodies of the largest size.
func newRoom(bodies int, bodyLimit int64) *room {
	return &room{turn: make(chan struct{}, 1), places: make(chan struct{}, bodies*placesOf(bodyLimit))}
}

// places are those that a body has in a room. One goroutine uses them at a time.
type places struct {
	of    *room
	taken int
}

// grow takes further ones for a body that has that size now, if there are some: who waited for them would keep those that it has from others
// that wait as well.
func (p *places) grow(size int64) bool {
	for n := placesOf(size); p.taken < n; p.taken++ {
		select {
		case p.of.places <- struct{}{}:
		default:
			return false
		}
	}
	return true
}

// leave gives all back. Calls after the first do nothing.
func (p *places) leave() {
	for ; p.taken > 0; p.taken-- {
		<-p.of.places
	}
}

func placesOf(size int64) int { return int((size + placeSize - 1) / placeSize) }

// enter waits for room for a body, until there is some, ctx ends, or patience does.
func (r *room) enter(ctx context.Context, size int64) (*places, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return nil, errBusy
	}
	p := &places{of: r}
	for n := placesOf(size); p.taken < n; p.taken++ {
		select {
		case r.places <- struct{}{}:
		case <-ctx.Done():
			p.leave()
			return nil, errBusy
		}
	}
	return p, nil
}

var errBusy = fmt.Errorf("%w: others are being read and parsed; nothing of it was taken", ErrFull)
