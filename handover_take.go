package sohost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/passing"
)

// taker is the taker's end of a handover.
type taker struct {
	batch
	giver  *passing.Conn
	plan   plan
	copies map[*candidate]*os.File // in-memory copies of the states as received, for checkpoints
	of     map[string]*candidate   // by plugin name

	arrivals map[*candidate]*arrival
	arrived  []*candidate // in the order in which their states did
}

// Take returns a Host of the plugins that another process gives by calling Give with the other end of the socket pair.
// It is for supervisors only. Take closes giver. Plugins and their settings come from the giver, and opts.Plugins is
// not used; the other options are those that New would get. opts.Process.Lock is required, because the giver still has
// the store open.
//
// When Take returns a Host, that Host serves all plugins and no other process does. Its release is published in the
// background, while it serves. After an error this process serves nothing and must exit: the giver waits for that and
// goes on serving. ctx is honored until all state is accepted; after that only the giver decides.
func Take(ctx context.Context, opts Options, giver *os.File) (*Host, error) {
	return takeHost(ctx, opts, giver, nil)
}

// takeHost is Take with a loader that replaces the usual one unless it is nil.
func takeHost(ctx context.Context, opts Options, from *os.File, loader *instance.Loader) (*Host, error) {
	conn, err := passing.New(from)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	t := &taker{giver: conn, of: map[string]*candidate{}, copies: map[*candidate]*os.File{}, arrivals: map[*candidate]*arrival{}}
	if err := t.run(ctx, opts, loader, stop); err != nil {
		f := failed{}
		var because *failure
		if errors.As(err, &because) {
			f.Refusal = because.refusal()
			err = f.Refusal
		}
		f.Message = err.Error()
		if t.host != nil {
			t.abandon(ctx) // first: the giver will start again what was started here
		}
		conn.Send(message{Failed: &f}) // if the giver is gone, nobody needs to know
		conn.Close()
		t.discard()
		if cause := context.Cause(ctx); cause != nil && errors.Is(err, io.EOF) {
			err = cause
		}
		return nil, fmt.Errorf("take the plugins over: %w", err)
	}
	h := t.host
	h.triggers.Start()
	h.tasks.Go(t.finish)
	h.checkpointRegularly()
	h.tasks.Go(func() { // callers wait for this process to serve
		if h.Serving() != nil {
			return
		}
		if err := h.begin(); err != nil { // no reason to fail: no other process could serve in this one's place
			h.log.Error("watch for new images", "err", err)
		}
	})
	return h, nil
}

// discard closes what a taker that has failed still has open. The store is the giver's.
func (t *taker) discard() {
	for _, copied := range t.copies {
		copied.Close()
	}
	if t.host == nil {
		return
	}
	t.host.stop(ErrClosed)
	t.host.watcher.Close()
	if err := t.host.store.Close(); err != nil {
		t.host.log.Warn("close the store after a handover that failed", "err", err)
	}
}

// run does everything up to the swap. detach stops ctx from closing the connection, and reports whether it was in time,
// that is, ctx had not ended.
func (t *taker) run(ctx context.Context, opts Options, loader *instance.Loader, detach func() bool) error {
	if opts.Process == nil || opts.Process.Lock == nil {
		return errors.New("the giver has the store's lock; Options.Process.Lock must be a copy of it")
	}
	m, _, err := t.receive()
	if err != nil {
		return err
	}
	if m.Plan == nil {
		return fmt.Errorf("%w: the giver must send a plan", errOutOfOrder)
	}
	if m.Plan.Format != planFormat {
		return fmt.Errorf("%w (the giver's plans have form %d, not %d)", errVersion, m.Plan.Format, planFormat)
	}
	t.plan = *m.Plan
	if t.host, err = openHost(opts, loader, true); err != nil {
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
	// Once the giver has said that the plugins are this process's own, nobody else has their state. So from here on
	// nothing but the giver's next message matters. See TestModel of package supervisor.
	if !detach() {
		return context.Cause(ctx)
	}
	if err := t.giver.Send(message{Accepted: true}); err != nil {
		return err
	}
	if m, _, err = t.receive(); err != nil {
		return err
	}
	if !m.Yours {
		return fmt.Errorf("%w: the giver must say whose the plugins are", errOutOfOrder)
	}
	if m.Triggers != nil {
		t.host.triggers.Take(*m.Triggers)
	}
	t.swap()
	return nil
}

// receive waits for the giver's next message, and returns the pipe that comes with it if there is one.
func (t *taker) receive() (m message, pipe *os.File, err error) {
	files, err := t.giver.Receive(&m)
	if len(files) > 0 {
		pipe = files[0]
		passing.Close(files[1:])
	}
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", errGiverGone, err)
	}
	return m, pipe, err
}

// prepare opens all images and calls each plugin's New. The giver goes on serving meanwhile.
func (t *taker) prepare(ctx context.Context) error {
	h := t.host
	h.ledger.SetEntries(t.plan.Entries)
	h.triggers.Take(t.plan.Triggers)
	t.verify(ctx)
	defer h.unready()
	ready := prepared{Format: planFormat, PID: os.Getpid(), Wants: map[string]wantedState{}}
	for _, e := range t.plan.Plugins {
		p := h.add(e.Plugin)
		p.last, p.refused, p.fileImage, p.fileSeen = e.Last, e.Refused, e.FileImage, e.FileSeen
		if e.Next.Image.IsZero() {
			continue
		}
		// Held until finish, so that nobody reloads a plugin of the Host that Take returns before its release is
		// published.
		if err := p.own(ctx); err != nil {
			return err
		}
		var onTrial generations.ID // in quarantine perhaps, see retry.go
		if e.Next.Image == e.Serves || e.Cause == triedAgain {
			onTrial = e.Next.Image
		}
		c := newCandidate(target{plugin: p, file: e.Next.Source, stored: e.Next.Image, skipped: e.Next.Skipped, trusted: true, retry: onTrial,
			loseState: e.LoseState, back: e.RollbackOf != 0})
		t.candidates, t.of[p.Name] = append(t.candidates, c), c
		err := c.prepare(ctx)
		if c.move.From = e.Serves; err != nil {
			return err
		}
		switch {
		case c.next.Stateful():
			if err := c.losesDescribed(ctx, e.StateType); err != nil {
				return &failure{candidate: c, phase: PhaseState, err: err}
			}
			s := c.next.Image().Wants()
			ready.Wants[p.Name] = wantedState{Schema: s.Schema, Version: s.Version, Ahead: c.goesAhead()}
		case e.Stateful && !e.LoseState:
			return &failure{candidate: c, phase: PhaseState, err: dropError(c.next)}
		case e.Stateful:
			c.move.State = StateMove{Way: WayDropped, Lost: []string{lostEverything}, Unkept: "the process before could not write it"}
		}
	}
	return t.giver.Send(message{Prepared: &ready})
}

// verify verifies the images of the plan, as many at a time as there are processors. What is wrong with one is found out when its
// turn comes.
func (t *taker) verify(ctx context.Context) {
	r := &t.host.readied
	r.verified = map[generations.ID]bool{}
	atOnce(t.plan.Plugins, func(_ int, e planEntry) {
		if id := e.Next.Image; !id.IsZero() && t.host.store.Verify(ctx, id) == nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.verified[id] = true
		}
	})
}

// start starts the background work of all plugins.
func (t *taker) start(ctx context.Context) error {
	ctx, cancel := t.host.limit(ctx, t.host.opts.OpenTimeout, openTimeout)
	defer cancel()
	for _, c := range t.candidates {
		if err := start(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// finish publishes what the plan has changed, reports to the giver, and writes the states that arrived as checkpoints:
// if this process dies afterwards, nothing from before the handover is lost. It then returns the owner tokens.
func (t *taker) finish() {
	h := t.host
	report := t.publish()
	if err := t.giver.Send(message{Serving: report}); err != nil {
		h.log.Warn("report to the process before that this one serves", "err", err)
	}
	t.giver.Close()
	for _, c := range t.candidates {
		if copied := t.copies[c]; copied != nil {
			t.write(c, io.NewSectionReader(copied, 0, math.MaxInt64), report.Release)
			copied.Close()
		}
		if a := t.arrivals[c]; a != nil && a.ahead && h.opts.CheckpointInterval > 0 {
			if err := c.plugin.checkpointOwned(h.lifetime); err != nil && h.lifetime.Err() == nil {
				h.log.Warn("checkpoint: "+c.plugin.stays(), "plugin", c.plugin.Name, "err", err)
			}
		}
		c.plugin.disown()
	}
	t.unpin()
}

// write writes a state as it was received: as a checkpoint if the plugin has that state now, and to be kept for a rollback
// if it is another image's.
func (t *taker) write(c *candidate, copied *io.SectionReader, release int) {
	h := t.host
	if c.move.To != c.move.From {
		err := c.keepCopy(release, copied)
		if err != nil {
			h.log.Error("the state from before can't be kept: a rollback won't bring back what was lost of it",
				"plugin", c.plugin.Name, "lost", several(c.move.State.Lost), "err", err)
		}
		copied.Seek(0, io.SeekStart) // can't fail
	}
	if h.opts.CheckpointInterval <= 0 || !c.next.Checkpointable() || c.move.State.Way == WayKept {
		return
	}
	if err := c.plugin.checkpointCopy(c.move.State, copied); err != nil {
		h.log.Warn("checkpoint: "+c.plugin.stays(), "plugin", c.plugin.Name, "err", err)
	}
}

// publish publishes what the plan has changed.
func (t *taker) publish() *Reload {
	h := t.host
	result := &Reload{Moves: []Move{}}
	var changed []*candidate
	why := cause{kind: generations.KindHandover, by: t.plan.Why}
	for _, e := range t.plan.Plugins {
		c := t.of[e.Plugin.Name]
		if c != nil && e.Cause != "" && c.move.To != c.move.From {
			changed = append(changed, c)
			why = cause{kind: e.Kind, by: e.Cause, rollbackOf: e.RollbackOf}
		}
	}
	result.Release, result.Warning = h.publish(why, changed, nil)
	for _, c := range t.candidates {
		isNew := c.move.To != c.move.From
		move := c.move.clone()
		if isNew || move.State.Way != WayNone {
			result.Moves = append(result.Moves, move)
		}
		if isNew {
			c.plugin.noteSuccess(move)
			h.logMove(why, move, result.Release)
			h.warn(move)
		}
	}
	h.ledger.Note(generations.Event{Kind: generations.KindHandover, Release: result.Release, Detail: t.plan.Why})
	return result
}
