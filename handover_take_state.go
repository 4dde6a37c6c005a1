package sohost

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/sohost/sohost/internal/cache"
	"github.com/sohost/sohost/internal/passing"
	"github.com/sohost/sohost/internal/state"
)

// takeStates gives each instance the state that arrives for it.
func (t *taker) takeStates(ctx context.Context) error {
	ctx, cancel := t.host.limit(ctx, t.host.opts.DrainTimeout*2, drainTimeout) // the giver enforces a shorter limit; this one is in case it hangs
	defer cancel()
	for {
		m, pipe, err := t.receive()
		switch {
		case err != nil:
			return err
		case m.States:
			return nil
		case m.Caches && pipe != nil:
			t.takeCaches(pipe)
			continue
		case pipe == nil || t.of[m.State] == nil:
			return fmt.Errorf("%w: the giver must send state", errOutOfOrder)
		}
		if err := t.takeState(ctx, t.of[m.State], pipe); err != nil {
			return err
		}
	}
}

// takeCaches fills the caches. Whatever can't be read is dropped, as a cache may lose values anyway.
func (t *taker) takeCaches(pipe *os.File) {
	defer pipe.Close()
	if err := cache.Decode(pipe, t.host.caches()); err != nil {
		t.host.log.Warn("caches of the process before: the rest is lost", "err", err)
	}
}

func (t *taker) takeState(ctx context.Context, c *candidate, pipe *os.File) error {
	defer pipe.Close()
	return c.step(PhaseState, func() error {
		stream := io.Reader(pipe)
		isNew := c.move.To != c.move.From
		if isNew || t.host.opts.CheckpointInterval > 0 && c.next.Checkpointable() {
			copied, err := passing.MemoryFile("state of " + c.plugin.Name)
			if err != nil {
				return err
			}
			t.copies[c] = copied
			stream = io.TeeReader(pipe, copied)
		}
		if !c.next.Stateful() { // it is only kept
			_, err := io.Copy(io.Discard, stream)
			c.move.State.Unkept = ""
			return err
		}
		own := c.ownKept()
		if !isNew || !c.ordered() {
			own = nil
		}
		if own != nil { // as in moveState, Import isn't asked about a version that it can't know
			if _, err := io.Copy(io.Discard, stream); err != nil {
				return err
			}
			given, err := state.ReadHeader(io.NewSectionReader(t.copies[c], 0, math.MaxInt64))
			if wants := c.next.Image().Wants(); err == nil && (given.Schema != wants.Schema || given.Version != wants.Version) {
				return c.takeKept(ctx, own, nil)
			}
			stream = io.NewSectionReader(t.copies[c], 0, math.MaxInt64)
		}
		taken, err := c.next.AcceptStreamWith(ctx, stream, c.moveOptions(), c.hooks(ctx))
		if err != nil && own != nil && unmovable(err) {
			t.host.log.Warn("the newer state can't be moved back", "plugin", c.plugin.Name, "err", err)
			return c.takeKept(ctx, own, nil)
		}
		if err == nil {
			c.move.State = c.moved(taken)
			c.move.State.Way = WayHandover
		}
		return err
	})
}
