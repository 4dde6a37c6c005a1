package sohost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/passing"
	"github.com/sohost/sohost/internal/pidfd"
	"golang.org/x/sys/unix"
)

// giver is the giver's end of a handover.
type giver struct {
	host    *Host
	opts    GiveOptions
	taker   *passing.Conn
	plugins []*plugin        // all of them, owned
	config  *reconfiguration // nil: the plugins stay as they are configured
	pending []*pendingReload
	extra   batch // candidates for GiveOptions.Images and for GiveOptions.Program
	wants   map[string]wantedState
	process *pidfd.Process // the taker; nil until it is prepared
	started bool           // the taker has all states, so it may have called Start
	given   bool           // the plugins are the taker's, see commit
	ahead   map[*plugin]*sentAhead
	copies  map[*plugin]*stateCopy
	alone   []string // plugins that are Exclusive in the taker
	moving  []*gated // the plugins with state, and those that have to release something before the taker's start
	report  *Handover
}

// Give hands all plugins over to another process, which calls Take with the other end of the socket pair. It is for
// supervisors only. Give closes taker. It waits for running reloads, then blocks until the taker reports that it
// serves.
//
// Until the commit, when the taker has everything and is told that the plugins are its own, any failure leaves this
// host as it was, with its state and its callers, and Give returns the reason. If the taker may already have called a
// Start by then, Give returns only after it has exited, and kills it if it must. The same holds if ctx ends before the
// commit. The error wraps a *Refusal if one plugin's image is the reason, and matches ErrClosed or ErrHandedOver if the
// host had ended.
//
// After the commit Give succeeds, and this host serves nothing: Call and everything that changes something fail with
// ErrHandedOver, ServeHTTP passes requests to opts.Forward, and all that is left to do is Close. If the taker then
// doesn't report that it serves, Handover.Warning says so.
func (h *Host) Give(ctx context.Context, taker *os.File, opts GiveOptions) (*Handover, error) {
	if opts.Why == "" {
		opts.Why = "handover"
	}
	conn, err := passing.New(taker)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	// When ctx ends, this ends the wait for the taker's next message.
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	g := &giver{
		host: h, opts: opts, taker: conn, extra: batch{host: h}, ahead: map[*plugin]*sentAhead{}, copies: map[*plugin]*stateCopy{},
		report: &Handover{Why: opts.Why, Time: time.Now(), Giver: os.Getpid()},
	}
	if err := h.booted(ctx); err != nil {
		return nil, err
	}
	if err := g.own(ctx); err != nil {
		return nil, err
	}
	defer g.disown()
	if err := g.run(ctx); err != nil {
		if cause := context.Cause(ctx); cause != nil && errors.Is(err, io.EOF) {
			err = cause
		}
		err = fmt.Errorf("handover: %w", err)
		h.pending.finish(g.pending, nil, err)
		return nil, err
	}
	h.pending.finish(g.pending, g.report, nil)
	return g.report, nil
}

// own takes adding and then all owner tokens, ordered by name, so that no plugin is added and none is reloaded. It waits for
// reloads that run and for no others. See plugin for the lock order.
func (g *giver) own(ctx context.Context) error {
	g.host.turnstile.shut()
	g.host.adding.Lock()
	for _, p := range g.host.plugins() {
		if err := p.ownOpen(ctx); err != nil {
			g.disown()
			return err
		}
		g.plugins = append(g.plugins, p)
	}
	return nil
}

func (g *giver) disown() {
	for _, p := range g.plugins {
		p.disown()
	}
	g.host.adding.Unlock()
	g.host.turnstile.open()
}

func (g *giver) run(ctx context.Context) error {
	if err := g.host.Serving(); err != nil {
		return err
	}
	if err := g.configure(); err != nil {
		return err
	}
	g.pending = g.host.pending.includable()
	if err := g.removable(); err != nil {
		return err
	}
	defer func() {
		if g.process != nil {
			g.process.Close()
		}
	}()
	defer g.extra.unpin()
	phases := &g.report.Phases
	if err := g.timed("prepare", &phases.Prepare, func() error { return g.prepare(ctx) }); err != nil {
		return err
	}
	defer g.endAhead()
	defer g.endCopies()
	if err := g.timed("ahead", &phases.Ahead, func() error { return g.sendAhead(ctx) }); err != nil {
		return err
	}
	defer g.goOn(ctx) // does nothing after the commit
	collector.moving()
	defer func() {
		if g.given {
			collector.endLater()
		} else {
			collector.end() // before any Start
		}
	}()
	if err := g.timed("drain", &phases.Drain, func() error { return g.drain(ctx) }); err != nil {
		return err
	}
	if err := g.timed("state", &phases.State, func() error { return g.sendStates(ctx) }); err != nil {
		return err
	}
	if err := g.timed("commit", &phases.Commit, g.commit); err != nil {
		return err
	}
	return g.timed("publish", &phases.Publish, g.awaitServing)
}

// timed tells of a step, runs it and stores its duration in took.
func (g *giver) timed(name string, took *time.Duration, step func() error) error {
	g.host.tell(generations.Event{Kind: generations.KindPhase, Detail: name})
	begin := time.Now()
	defer func() { *took = time.Since(begin) }()
	return step()
}

// prepare sends the plan and waits until the taker has opened all images.
func (g *giver) prepare(ctx context.Context) error {
	if err := g.judge(ctx); err != nil {
		return err
	}
	p, err := g.plan(ctx)
	if err != nil {
		return err
	}
	if err := g.send(message{Plan: p}); err != nil {
		return err
	}
	m, err := g.receive()
	if err != nil {
		return err
	}
	if m.Prepared == nil {
		return fmt.Errorf("%w: the new process must say that it is prepared", errOutOfOrder)
	}
	if m.Prepared.Format != planFormat { // it may have understood the plan in part
		return fmt.Errorf("%w (the new process knows plans of form %d, not %d)", errVersion, m.Prepared.Format, planFormat)
	}
	g.wants, g.alone, g.report.Taker = m.Prepared.Wants, m.Prepared.Exclusive, m.Prepared.PID
	if g.process, err = pidfd.Open(m.Prepared.PID); err != nil {
		return fmt.Errorf("%w: %w", errTakerGone, err)
	}
	return nil
}

// send sends a message. If the taker has given up meanwhile, the error is the failure that it has reported.
func (g *giver) send(m message, files ...*os.File) error {
	err := g.taker.Send(m, files...)
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		if last, failure := g.receive(); last.Failed != nil { // what it sent before it closed its end is still there
			return failure
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errTakerGone, err)
	}
	return nil
}

// receive waits for the taker's next message. If the taker reports a failure, that is the error.
func (g *giver) receive() (m message, err error) {
	files, err := g.taker.Receive(&m)
	passing.Close(files)
	if errors.Is(err, io.EOF) {
		return m, fmt.Errorf("%w: %w", errTakerGone, err)
	}
	if err == nil && m.Failed != nil {
		err = m.Failed.err()
	}
	return m, err
}

// drain pauses the triggers, shuts the gates of the stateful and exclusive plugins, and waits for the calls that run: first for those
// of plugins that come before others in chains, see batch.holdBack.
func (g *giver) drain(ctx context.Context) error {
	if err := g.pauseTriggers(ctx); err != nil { // first: a writer waits until a plugin has handled its rows
		return err
	}
	ctx, cancel := g.host.limit(ctx, g.host.opts.DrainTimeout, drainTimeout)
	defer cancel()
	for _, wave := range waves(g.plugins, func(p *plugin) *plugin { return p }) {
		before := len(g.moving)
		for _, p := range wave {
			next := newGated(p)
			if next.serves == nil || !next.serves.Value().Stateful() && !next.serves.Value().Image().Exclusive() && !slices.Contains(g.alone, p.Name) {
				continue
			}
			if err := next.shut(); err != nil {
				return err
			}
			g.moving = append(g.moving, next)
		}
		for _, m := range g.moving[before:] {
			defer m.cutLater()() // from now on for all of them
		}
		for _, m := range g.moving[before:] {
			if err := m.drain(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// goOn makes the plugins serve here again whose gates are shut, unless the plugins are the taker's by now. If the taker may have
// started anything, it is gone first.
func (g *giver) goOn(ctx context.Context) {
	if g.given {
		return
	}
	if g.started {
		g.endTaker()
	}
	ctx, cancel := g.host.limit(context.WithoutCancel(ctx), g.host.opts.OpenTimeout, openTimeout)
	defer cancel()
	for _, m := range g.moving {
		m.reopen(ctx)
	}
	g.host.triggers.Resume()
}

// endTaker makes sure that the taker is gone. It isn't enough that the taker has closed its socket: what it has started
// may hold something that only one process can have, such as a port, until the kernel has closed its last file.
func (g *giver) endTaker() {
	g.taker.Close() // which makes the taker give up, if it hasn't yet
	if g.process.AwaitEnd(undoTimeout) {
		return
	}
	log := g.host.log.With("pid", g.process.PID())
	log.Warn("the new process of a failed handover doesn't end, and is killed")
	g.process.Kill()
	if !g.process.AwaitEnd(undoTimeout) {
		log.Error("the new process of a failed handover can't be killed; the plugins with state serve beside it")
	}
}
