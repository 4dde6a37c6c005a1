package sohost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/passing"
	"github.com/sohost/sohost/internal/triggers"
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
	moving   bool         // since states arrive, see collector

	streams   map[*candidate]*os.File // pipes from which copies of states can be read once they are this process's
	positions triggers.Saved          // up to where writes are in the states
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
	t := &taker{giver: conn, of: map[string]*candidate{}, copies: map[*candidate]*os.File{}, arrivals: map[*candidate]*arrival{}, streams: map[*candidate]*os.File{}}
	if err := t.run(ctx, opts, loader, stop); err != nil {
		if t.moving {
			collector.end()
		}
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
	for _, pipe := range t.streams {
		pipe.Close()
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
		t.positions = *m.Triggers
		t.host.triggers.Take(t.positions)
	}
	t.goBack()
	t.swap()
	return nil
}

// goBack has the triggers of a plugin that served nowhere go on from where the checkpoint was taken that it was restored from.
func (t *taker) goBack() {
	for _, c := range t.candidates {
		if c.move.From.IsZero() && c.next.Stateful() {
			t.host.triggers.Restored(c.plugin.Name, c.restoredAt)
		}
	}
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
		if c.next.Image().Exclusive() {
			ready.Exclusive = append(ready.Exclusive, p.Name)
		}
		switch {
		case c.next.Stateful():
			if err := c.losesDescribed(ctx, e.StateType); err != nil {
				return &failure{candidate: c, phase: PhaseState, err: err}
			}
			s := c.next.Image().Wants()
			ready.Wants[p.Name] = wantedState{Schema: s.Schema, Version: s.Version, Ahead: c.goesAhead(), FlatMaps: true, GoMaps: true}
			if e.Stateful {
				break
			}
			if err := c.step(PhaseState, func() error { return c.restore(ctx) }); err != nil { // nothing with state serves
				return err
			}
		case e.Stateful && !e.LoseState:
			return &failure{candidate: c, phase: PhaseState, err: dropError(c.next)}
		case e.Stateful:
			c.move.State = StateMove{Way: WayDropped, Lost: []string{lostEverything}, Unkept: "the process before could not write it"}
		}
	}
	if err := h.checkLoops(""); err != nil {
		return fmt.Errorf("configuration: %w", err)
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
