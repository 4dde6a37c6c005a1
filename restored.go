package sohost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/state"
)

// ownKept returns the kept state of the candidate's own image, or nil.
func (c *candidate) ownKept() *kept {
	for _, k := range c.plugin.kept {
		if k.Image == c.move.To {
			return k
		}
	}
	return nil
}

// goesBack reports whether the candidate is to get back what moves since it served have lost.
func (c *candidate) goesBack() bool { return c.rollback || c.back || c.ownKept() != nil }

// hooks returns what is to happen to a state on its way to the candidate.
func (c *candidate) hooks(ctx context.Context) instance.Hooks {
	hooks := instance.Hooks{Judge: c.judgeLoss}
	if c.goesBack() {
		hooks.Fill = func(p *state.Part) (state.Filled, error) { return c.fill(ctx, p) }
	}
	return hooks
}

// fill puts back what the value lacks, from all kept states that have it, the newest first. A kept state that can't be
// used is left out, and the report says so: the move itself doesn't depend on it. Only a lack of time refuses the move,
// because another attempt may have more.
func (c *candidate) fill(ctx context.Context, p *state.Part) (all state.Filled, _ error) {
	h := c.plugin.host
	o := state.Options{MaxBytes: h.opts.StateLimit}
	o.Deadline, _ = ctx.Deadline()
	for _, k := range c.plugin.kept {
		if p.Complete() {
			break
		}
		from, err := c.partOf(ctx, k)
		var filled state.Filled
		if err == nil {
			filled, err = p.Fill(from, o)
		}
		if ctx.Err() != nil || errors.Is(err, state.ErrDeadline) {
			return all, fmt.Errorf("restore what was lost: %w", err)
		}
		if err != nil {
			c.unrestored = append(c.unrestored, fmt.Sprintf("%s: %v", k.Image.Short(), err))
			h.log.Warn("what was lost can't be restored from a kept state", "plugin", c.plugin.Name, "kept", k.Image.Short(), "err", err)
			continue
		}
		all.Restored = append(all.Restored, filled.Restored...)
		all.Unmatched += filled.Unmatched
	}
	return all, nil
}

// takeKept gives the candidate a kept state as it is, because no newer state can be moved to it. It gives a copy: the
// move may still fail, and the kept state is needed again then. limit is Hooks.Limit.
func (c *candidate) takeKept(ctx context.Context, k *kept, limit limiter) error {
	h := c.plugin.host
	hooks := c.hooks(ctx)
	hooks.Limit = limit
	hooks.Judge = nil // whatever is lost by this stays kept
	var taken instance.Taken
	var err error
	if k.File != "" {
		err = k.Read(func(r io.Reader) (err error) {
			taken, err = c.next.AcceptStreamWith(ctx, untilEnd(ctx, r), c.moveOptions(), hooks)
			return err
		})
	} else {
		if limit != nil {
			var cancel context.CancelFunc
			ctx, cancel = limit()
			defer cancel()
		}
		var given abi.State
		if given, err = instance.CopyState(k.given, state.Options{MaxBytes: h.opts.StateLimit}); err != nil {
			return fmt.Errorf("copy the state kept from before: %w", err)
		}
		taken, err = c.next.AcceptWith(ctx, given, c.moveOptions(), false, hooks)
	}
	if err != nil {
		return err
	}
	c.move.State = c.moved(taken)
	c.move.State.Way, c.move.State.Age = WayKept, max(0, time.Since(k.Time))
	h.log.Warn("restored the state from before; what happened since is lost",
		"plugin", c.plugin.Name, "generation", c.move.To.Short(), "age", c.move.State.Age)
	return nil
}

// readKept reads, before any gate is shut, the kept states that the candidate is to get something back from: a large one takes
// its time to be decoded, and callers would wait for it. What can't be read now is read when it is needed. added are the
// fields that the state which serves lacks.
func (c *candidate) readKept(ctx context.Context, added []string) {
	if !c.goesBack() || len(added) == 0 {
		return
	}
	left := c.plugin.host.opts.StateLimit
	c.read = map[*kept]state.Part{}
	for _, k := range c.plugin.kept {
		if k.File == "" {
			continue
		}
		var part state.Part
		var report state.Report
		err := k.Read(func(r io.Reader) (err error) {
			_, part, report, err = c.next.Decode(untilEnd(ctx, r), state.Options{MaxBytes: left})
			return err
		})
		if left -= report.Bytes; err != nil || left <= 0 {
			return
		}
		c.read[k] = part
		if k.Image == c.move.To { // it lacks nothing, so no older one is asked
			return
		}
	}
}

// addedFields returns the fields that the state which serves lacks, as far as the types show them.
func (c *candidate) addedFields() []string {
	if !c.movesState() {
		return nil
	}
	has, wants := c.old.serves.Value().Image().Wants(), c.next.Image().Wants()
	if has.Value == nil || wants.Value == nil {
		return nil
	}
	return state.Compare(reflect.TypeOf(has.Value), reflect.TypeOf(wants.Value)).Changes.Added
}

// partOf returns a kept state as a value of the candidate's type.
func (c *candidate) partOf(ctx context.Context, k *kept) (part state.Part, err error) {
	if part, has := c.read[k]; has {
		delete(c.read, k) // a state is large
		return part, nil
	}
	o := state.Options{MaxBytes: c.plugin.host.opts.StateLimit}
	if k.File == "" {
		o.Deadline, _ = ctx.Deadline()
		return c.next.Convert(k.given.Value, o)
	}
	err = k.Read(func(r io.Reader) (err error) {
		_, part, _, err = c.next.Decode(untilEnd(ctx, r), o)
		return err
	})
	return part, err
}

// limiter is the type of Hooks.Limit.
type limiter = func() (context.Context, context.CancelFunc)

// ending is a reader that ends with a context. Decoding can be ended only by what it reads.
type ending struct {
	io.Reader
	ctx context.Context
}

func untilEnd(ctx context.Context, r io.Reader) io.Reader { return ending{r, ctx} }

func (e ending) Read(p []byte) (int, error) {
	if e.ctx.Err() != nil {
		return 0, context.Cause(e.ctx)
	}
	return e.Reader.Read(p)
}
