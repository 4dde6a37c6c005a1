package sohost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/sohost/sohost/internal/cache"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/passing"
	"github.com/sohost/sohost/internal/state"
)

// arrival is a state that arrives for a candidate. A goroutine of its own decodes it, so that states are decoded beside each other and
// while they are written.
type arrival struct {
	pipe io.Closer
	done chan struct{} // closed when what follows is final

	decoded instance.Decoded // unset if the candidate gets the state in another way, see decodes
	took    time.Duration
	err     error

	ahead bool // it came ahead, and changes follow
	all   bool // the last changes have come
}

// takeStates gives each instance the state that arrives for it.
func (t *taker) takeStates(ctx context.Context) error {
	defer t.endArrivals()
	t.moving = true
	collector.moving()
	for {
		m, file, err := t.receive()
		if errors.Is(err, passing.ErrPaused) { // by an arrival that has failed
			return cmp.Or(context.Cause(ctx), t.failedArrival(), err)
		}
		switch {
		case err != nil:
			return err
		case m.States:
			for _, a := range t.arrivals {
				<-a.done
			}
			return t.acceptStates(ctx)
		case m.Reached:
			err = t.reached()
		case m.Caches && file != nil:
			t.takeCaches(file)
		case len(m.Changes) > 0 && file != nil:
			err = t.takeChanges(m.Changes, file)
		case m.Ahead != "" && file != nil && t.of[m.Ahead].goesAhead() && t.arrivals[t.of[m.Ahead]] == nil:
			err = t.arrive(t.of[m.Ahead], file, true)
		case m.Copy != "" && file != nil && t.of[m.Copy].goesAhead():
			t.takeCopy(t.of[m.Copy], file)
		case m.State != "" && file != nil && t.of[m.State] != nil && t.replaces(t.of[m.State]):
			err = t.arrive(t.of[m.State], file, false)
		default:
			if file != nil {
				file.Close()
			}
			err = fmt.Errorf("%w: the giver must send state", errOutOfOrder)
		}
		if err != nil {
			return err
		}
	}
}

// replaces reports whether a whole state may arrive for the candidate: none has, or one has come ahead, which is forgotten.
func (t *taker) replaces(c *candidate) bool {
	a := t.arrivals[c]
	if a != nil && (!a.ahead || a.all) {
		return false
	}
	if a != nil {
		<-a.done
	}
	return true
}

// takeCaches fills the caches. Whatever can't be read is dropped, as a cache may lose values anyway.
func (t *taker) takeCaches(pipe *os.File) {
	defer pipe.Close()
	if err := cache.Decode(pipe, t.host.caches()); err != nil {
		t.host.log.Warn("caches of the process before: the rest is lost", "err", err)
	}
}

// arrive begins to take a state from a pipe, which it closes.
func (t *taker) arrive(c *candidate, pipe *os.File, ahead bool) error {
	a := &arrival{pipe: pipe, done: make(chan struct{}), ahead: ahead}
	stream := io.Reader(pipe)
	isNew := c.move.To != c.move.From
	if !ahead && (isNew || t.host.opts.CheckpointInterval > 0 && c.next.Checkpointable()) {
		copied, err := passing.MemoryFile("state of " + c.plugin.Name)
		if err != nil {
			pipe.Close()
			return &failure{candidate: c, phase: PhaseState, err: err}
		}
		t.copies[c] = copied
		stream = io.TeeReader(pipe, copied)
	}
	t.arrivals[c] = a
	t.arrived = append(t.arrived, c)
	go func() {
		begin := time.Now()
		if c.next.Stateful() && c.ownAfterHandover() == nil {
			a.decoded, a.err = c.next.DecodeStream(stream, c.moveOptions())
		} else {
			_, a.err = io.Copy(io.Discard, stream)
		}
		a.took = time.Since(begin)
		pipe.Close() // before anyone knows of an error: the giver may be writing
		close(a.done)
		if a.err != nil {
			t.giver.Pause()
		}
	}()
	return nil
}

// endArrivals waits for the goroutines of the arrivals.
func (t *taker) endArrivals() {
	for _, a := range t.arrivals {
		a.pipe.Close()
		<-a.done
	}
}

// failedArrival returns the failure of an arrival that has failed, if one has.
func (t *taker) failedArrival() error {
	for _, c := range t.arrived {
		a := t.arrivals[c]
		select {
		case <-a.done:
			if a.err != nil {
				return &failure{candidate: c, phase: PhaseState, err: a.err}
			}
		default:
		}
	}
	return nil
}

// acceptStates gives the states to the instances, one after the other. All have been sent.
func (t *taker) acceptStates(ctx context.Context) error {
	ctx, cancel := t.host.limit(ctx, t.host.opts.DrainTimeout*2, drainTimeout) // the giver enforces a shorter limit; this one is in case it hangs
	defer cancel()
	for _, c := range t.candidates {
		a := t.arrivals[c]
		if a == nil {
			continue
		}
		if a.ahead && !a.all {
			return fmt.Errorf("%w: the giver must send what has changed of the state of plugin %s", errOutOfOrder, c.plugin.Name)
		}
		if <-a.done; a.err != nil {
			return &failure{candidate: c, phase: PhaseState, err: a.err}
		}
		if err := t.accept(ctx, c, a); err != nil {
			return err
		}
	}
	return nil
}

func (t *taker) accept(ctx context.Context, c *candidate, a *arrival) error {
	c.move.Phases[PhaseState] += a.took
	return c.step(PhaseState, func() (err error) {
		if !c.next.Stateful() { // it was only kept
			c.move.State.Unkept = ""
			return nil
		}
		var taken instance.Taken
		own := c.ownAfterHandover()
		if own == nil {
			taken, err = c.next.AcceptDecoded(ctx, a.decoded, c.moveOptions(), c.hooks(ctx))
			a.decoded = instance.Decoded{}
		} else { // as in moveState, Import isn't asked about a version that it can't know
			given, err := state.ReadHeader(io.NewSectionReader(t.copies[c], 0, math.MaxInt64))
			if wants := c.next.Image().Wants(); err == nil && (given.Schema != wants.Schema || given.Version != wants.Version) {
				return c.takeKept(ctx, own, nil)
			}
			stream := io.NewSectionReader(t.copies[c], 0, math.MaxInt64)
			if taken, err = c.next.AcceptStreamWith(ctx, stream, c.moveOptions(), c.hooks(ctx)); err != nil && unmovable(err) {
				t.host.log.Warn("the newer state can't be moved back", "plugin", c.plugin.Name, "err", err)
				return c.takeKept(ctx, own, nil)
			}
			if err != nil {
				return err
			}
		}
		if err == nil {
			c.move.State = c.moved(taken)
			c.move.State.Way = WayHandover
		}
		return err
	})
}

// ownAfterHandover returns the kept state of the candidate's own image if it may get that as it is.
func (c *candidate) ownAfterHandover() *kept {
	if c.move.To == c.move.From || !c.ordered() {
		return nil
	}
	return c.ownKept()
}
