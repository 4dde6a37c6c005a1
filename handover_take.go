package sohost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/passing"
)

// taking is a handover as the taker sees it.
type taking struct {
	host       *Host
	giver      *passing.Conn
	plan       plan
	candidates []*candidate
	copies     map[*candidate]*os.File // of the states as they came; in memory
	byPlugin   map[string]*candidate
}

// Take makes a Host of the plugins that another process gives, which calls Give with the other end of the socket pair. The
// options are those that New would get; Lock must be set, since the giver has the store still. Plugins that only the giver has
// come along.
//
// When Take returns a Host, that serves all plugins and no other process does. Its release is published while it serves. After
// an error this process has changed nothing and is to end; the giver, which waits for that, serves on. ctx counts until this
// process has accepted everything: from then on the giver alone decides.
func Take(ctx context.Context, opts Options, giver *os.File) (*Host, error) {
	conn, err := passing.New(giver)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	t := &taking{giver: conn, byPlugin: map[string]*candidate{}, copies: map[*candidate]*os.File{}}
	defer stop()
	if err := t.run(ctx, opts, stop); err != nil {
		f := failed{Message: err.Error()}
		errors.As(err, &f.Refusal)
		if t.host != nil {
			t.host.abandon(ctx, t.candidates) // first: the giver starts again what was started here
		}
		conn.Send(word{Failed: &f}) // a giver that is gone needs no word
		conn.Close()
		if cause := context.Cause(ctx); cause != nil && errors.Is(err, io.EOF) {
			err = cause
		}
		return nil, fmt.Errorf("take the plugins over: %w", err)
	}
	h := t.host
	h.tasks.Go(t.settle)
	if err := h.begin(); err != nil { // nobody else could serve in its place
		h.log.Error("watch for new images", "err", err)
	}
	return h, nil
}

// run takes everything. alone has ctx count no more, and says whether it hadn't ended.
func (t *taking) run(ctx context.Context, opts Options, alone func() bool) error {
	if opts.Lock == nil {
		return errors.New("the store's lock is the giver's; Options.Lock must be a copy of it")
	}
	w, _, err := t.receive()
	if err != nil {
		return err
	}
	if w.Plan == nil {
		return errors.New("the giver has no plan")
	}
	t.plan = *w.Plan
	if t.host, err = openHost(opts); err != nil {
		return err
	}
	if err := t.prepare(ctx); err != nil {
		return err
	}
	if err := t.takeStates(ctx); err != nil {
		return err
	}
	if err := t.start(ctx); err != nil {
		return err
	}
	// Once the giver has told this process that the plugins are its own, nobody else has their state. So it must not turn away
	// from a word that is on its way.
	if !alone() {
		return context.Cause(ctx)
	}
	if err := t.giver.Send(word{Accepted: true}); err != nil {
		return err
	}
	if w, _, err = t.receive(); err != nil {
		return err
	}
	if !w.Yours {
		return errors.New("the giver keeps the plugins")
	}
	t.host.swap(t.candidates)
	return nil
}

// receive waits for the giver's next word, and the pipe that comes with it, if one does.
func (t *taking) receive() (w word, pipe *os.File, err error) {
	files, err := t.giver.Receive(&w)
	if len(files) > 0 {
		pipe = files[0]
		passing.Close(files[1:])
	}
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("the giver is gone: %w", err)
	}
	return w, pipe, err
}

// prepare opens all images and makes their instances. The giver serves meanwhile.
func (t *taking) prepare(ctx context.Context) error {
	h := t.host
	release, err := h.lastRelease()
	if err != nil {
		return err
	}
	h.release.Store(&release)
	h.entries = t.plan.Entries
	if h.entries == nil {
		h.entries = map[string]generations.Entry{}
	}
	ready := prepared{PID: os.Getpid(), Wants: map[string]wants{}}
	for _, pp := range t.plan.Plugins {
		p := h.add(pp.Plugin)
		p.last, p.refused, p.held = pp.Last, pp.Refused, pp.Held
		if pp.Brings.Image.IsZero() {
			continue
		}
		// For good: what New returns is a host whose plugins nobody else changes before settle lets go of them.
		if err := p.own(ctx); err != nil {
			return err
		}
		c := newCandidate(target{
			plugin: p, file: pp.Brings.Source, stored: pp.Brings.Image, passedOver: pp.Brings.Skipped,
		})
		c.trusted = true // this process is a throwaway itself until it has taken over
		t.candidates, t.byPlugin[p.name] = append(t.candidates, c), c
		err := h.prepare(ctx, c)
		if c.from = pp.Serves; err != nil {
			return newRefusal(c, err)
		}
		if _, takes := c.live.instance.(abi.Stateful); takes {
			s := c.live.descriptor.State
			ready.Wants[p.name] = wants{Schema: s.Schema, Version: s.Version}
		}
	}
	return t.giver.Send(word{Prepared: &ready})
}

// takeStates gives each instance the state that comes for it.
func (t *taking) takeStates(ctx context.Context) error {
	ctx, cancel := t.host.limit(ctx, t.host.opts.DrainTimeout*2) // the giver's limit counts, if it lives
	defer cancel()
	for {
		w, pipe, err := t.receive()
		switch {
		case err != nil:
			return err
		case w.States:
			return nil
		case w.Caches && pipe != nil:
			t.host.loadCaches(pipe)
			continue
		case pipe == nil || t.byPlugin[w.State] == nil:
			return errors.New("the giver sends something else than state")
		}
		c := t.byPlugin[w.State]
		if err := t.takeState(ctx, c, pipe); err != nil {
			return newRefusal(c, err)
		}
	}
}

func (t *taking) takeState(ctx context.Context, c *candidate, pipe *os.File) (err error) {
	defer pipe.Close()
	defer caught(&err)
	c.phase = "state"
	return timed(&c.phases.State, func() (err error) {
		stream := io.Reader(pipe)
		if t.host.opts.CheckpointInterval > 0 && c.live.checkpointable() {
			copied, err := passing.MemoryFile("state of " + c.plugin.name)
			if err != nil {
				return err
			}
			t.copies[c] = copied
			stream = io.TeeReader(pipe, copied)
		}
		if c.state, err = t.host.acceptStream(ctx, c, stream); err == nil {
			c.state.Way = WayHandover
		}
		return err
	})
}

// start starts the background work of all.
func (t *taking) start(ctx context.Context) error {
	ctx, cancel := t.host.limit(ctx, t.host.opts.OpenTimeout)
	defer cancel()
	for _, c := range t.candidates {
		if err := t.host.start(ctx, c); err != nil {
			return newRefusal(c, err)
		}
	}
	return nil
}

// settle publishes what the plan has changed, tells the giver, and makes checkpoints of the states that came.
func (t *taking) settle() {
	h := t.host
	result := t.publish()
	if err := t.giver.Send(word{Serving: result}); err != nil {
		h.log.Warn("tell the process before of the handover", "err", err)
	}
	t.giver.Close()
	for _, c := range t.candidates {
		if copied := t.copies[c]; copied != nil {
			if err := t.checkpoint(c, copied); err != nil {
				h.log.Warn("checkpoint: the one before stays", "plugin", c.plugin.name, "err", err)
			}
		}
		c.plugin.disown()
	}
	h.unpin(t.candidates)
}

// publish publishes what the plan has changed.
func (t *taking) publish() *Reload {
	h := t.host
	result := &Reload{Moves: []Move{}}
	var changed []*candidate
	why := cause{kind: generations.KindHandover, by: t.plan.Why}
	for _, pp := range t.plan.Plugins {
		c := t.byPlugin[pp.Plugin.Name]
		if c == nil {
			continue
		}
		if pp.Cause != "" && c.id != c.from {
			changed = append(changed, c)
			why = cause{kind: pp.Kind, by: pp.Cause, rollbackOf: pp.Back}
		}
	}
	var err error
	if result.Release, err = h.publish(why, changed); err != nil {
		result.Warning = fmt.Sprintf("publish release: %v; the new generations serve, but a restart boots release %d", err, result.Release)
		h.log.Error("publish release", "err", err, "boots", result.Release)
	}
	for _, c := range t.candidates {
		isNew := c.id != c.from
		if isNew || c.state.Way != WayNone {
			result.Moves = append(result.Moves, c.move())
		}
		if isNew {
			c.plugin.took(c.move())
			h.logMove(why, c.move(), result.Release)
		}
	}
	h.remember(generations.Event{Kind: generations.KindHandover, Release: result.Release, Detail: t.plan.Why, Time: time.Now()})
	return result
}

// checkpoint makes the state that came a checkpoint: should this process die now, nothing before the handover is lost.
func (t *taking) checkpoint(c *candidate, copied *os.File) error {
	defer copied.Close()
	of := abi.State{Schema: c.state.Schema, Version: c.state.Version}
	return t.host.replaceCheckpoint(c.plugin, of, func(w io.Writer) error {
		_, err := io.Copy(w, io.NewSectionReader(copied, 0, math.MaxInt64))
		return err
	})
}
