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

	// patience is how long a write waits for room.
	patience = 10 * time.Second
)

// room bounds how much is parsed and taken at a time. Those who wait get it in turn, so that a large body isn't overtaken for ever.
type room struct {
	turn   chan struct{} // has an element while somebody takes places
	places chan struct{} // has an element for each place that is taken
}

func newRoom(bodyLimit int64) room {
	return room{turn: make(chan struct{}, 1), places: make(chan struct{}, roomFor*placesOf(bodyLimit))}
}

func placesOf(size int64) int { return int((size + placeSize - 1) / placeSize) }

// enter waits for room for a body, until there is some, ctx ends, or patience does. Calls of leave after the first do nothing.
func (r room) enter(ctx context.Context, size int) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	taken := 0
	free := func() {
		for ; taken > 0; taken-- {
			<-r.places
		}
	}
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: others are being parsed; nothing of it was taken", ErrFull)
	}
	for n := placesOf(int64(size)); taken < n; taken++ {
		select {
		case r.places <- struct{}{}:
		case <-ctx.Done():
			free()
			return nil, fmt.Errorf("%w: others are being parsed; nothing of it was taken", ErrFull)
		}
	}
	return free, nil
}
