package sohost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/passing"
)

// giving is a handover as the giver sees it.
type giving struct {
	host    *Host
	opts    GiveOptions
	taker   *passing.Conn
	plugins []*plugin // all of them, owned
	errands []*errand
	extra   []*candidate // for GiveOptions.Images
	wants   map[string]wants
	process *peer                      // of the taker; nil until it is prepared
	started bool                       // the taker may have called Start: it has all states
	given   bool                       // the plugins are the taker's: see commit
	moving  []*candidate               // those with state; only serves and gate are used
	gates   []*generations.Gate[*live] // those that the commit has opened
	report  *Handover
}

// Give hands all plugins over to another process, which calls Take with the other end of the socket pair. It waits for reloads
// that run. Until the taker has everything and was told so, any failure leaves this host as it was, with its state and its
// callers; Give returns why. A taker that may have called a Start has ended by then: if it doesn't by itself, it is killed.
//
// Once the taker was told, this host serves nothing: its calls fail with ErrHandedOver, ServeHTTP forwards to opts.Forward, and
// Close is what is left to call.
//
// After a success the Handover's Warning tells of a taker that didn't say that it serves.
func (h *Host) Give(ctx context.Context, taker *os.File, opts GiveOptions) (*Handover, error) {
	conn, err := passing.New(taker)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	// Whoever waits for the taker's word stops waiting when ctx ends.
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	g := &giving{host: h, opts: opts, taker: conn, report: &Handover{Why: opts.Why, Time: time.Now(), Giver: os.Getpid()}}
	if err := g.own(ctx); err != nil {
		return nil, err
	}
	defer g.disown()
	if err := g.run(ctx); err != nil {
		if cause := context.Cause(ctx); cause != nil && errors.Is(err, io.EOF) {
			err = cause
		}
		err = fmt.Errorf("handover: %w", err)
		h.fresh.finish(g.errands, nil, err)
		return nil, err
	}
	h.fresh.finish(g.errands, g.report, nil)
	return g.report, nil
}

// own keeps reloads and new plugins off.
func (g *giving) own(ctx context.Context) error {
	g.host.adding.Lock()
	for _, p := range g.host.index.Load().sorted() {
		if err := g.host.own(ctx, p); err != nil {
			g.disown()
			return fmt.Errorf("plugin %s: %w", p.name, err)
		}
		g.plugins = append(g.plugins, p)
	}
	return nil
}

func (g *giving) disown() {
	for _, p := range g.plugins {
		p.disown()
	}
	g.host.adding.Unlock()
}

func (g *giving) run(ctx context.Context) error {
	h := g.host
	if h.lifetime.Err() != nil {
		return context.Cause(h.lifetime)
	}
	g.errands = h.fresh.take()
	defer func() {
		if g.process != nil {
			g.process.close()
		}
	}()
	defer func() { h.unpin(g.extra) }()
	if err := timed(&g.report.Phases.Prepare, func() error { return g.prepare(ctx) }); err != nil {
		return err
	}
	defer g.goOn(ctx) // without effect after the commit
	if err := timed(&g.report.Phases.Drain, func() error { return g.drain(ctx) }); err != nil {
		return err
	}
	if err := timed(&g.report.Phases.State, func() error { return g.sendStates(ctx) }); err != nil {
		return err
	}
	if err := timed(&g.report.Phases.Commit, g.commit); err != nil {
		return err
	}
	timed(&g.report.Phases.Publish, func() error {
		g.hear()
		return nil
	})
	return nil
}

// prepare has the taker open all images.
func (g *giving) prepare(ctx context.Context) error {
	p, err := g.plan(ctx)
	if err != nil {
		return err
	}
	if err := g.taker.Send(word{Plan: p}); err != nil {
		return fmt.Errorf("the fresh process has ended: %w", err)
	}
	w, err := g.receive()
	if err != nil {
		return err
	}
	if w.Prepared == nil {
		return errors.New("the fresh process doesn't say that it is prepared")
	}
	g.wants, g.report.Taker = w.Prepared.Wants, w.Prepared.PID
	if g.process, err = openPeer(w.Prepared.PID); err != nil {
		return fmt.Errorf("the fresh process has ended: %w", err)
	}
	return nil
}

// receive waits for the taker's next word. A failure that it tells of is the error.
func (g *giving) receive() (w word, err error) {
	_, err = g.taker.Receive(&w)
	if errors.Is(err, io.EOF) {
		return w, fmt.Errorf("the fresh process has ended: %w", err)
	}
	if err == nil && w.Failed != nil {
		err = w.Failed.err()
	}
	return w, err
}

// drain shuts the gates of the plugins whose state is to move, and waits for their calls.
func (g *giving) drain(ctx context.Context) error {
	for _, p := range g.plugins {
		serves := p.current()
		if serves == nil {
			continue
		}
		if _, has := serves.Value().instance.(abi.Stateful); !has {
			continue
		}
		gate, err := p.slot.Gate()
		if err != nil {
			return err
		}
		g.moving = append(g.moving, &candidate{target: target{plugin: p}, serves: serves, gate: gate})
	}
	ctx, cancel := g.host.limit(ctx, g.host.opts.DrainTimeout)
	defer cancel()
	for _, c := range g.moving {
		if err := c.plugin.drainGated(ctx, c.serves); err != nil {
			return err
		}
	}
	return nil
}

// goOn lets the plugins with state serve on here, unless they are the taker's.
func (g *giving) goOn(ctx context.Context) {
	if g.given {
		return
	}
	if g.started {
		g.endTaker()
	}
	g.host.giveBack(ctx, g.moving)
}

// undoTimeout is how long a taker gets to stop what it has started and to end, while callers wait.
const undoTimeout = 2 * time.Second

// endTaker makes sure that the taker is gone. That it has closed its socket says too little: what it has started may hold what
// only one process can have, until the kernel has taken its last open file.
func (g *giving) endTaker() {
	g.taker.Close() // the taker gives up, if it hasn't yet
	if g.process.awaitEnd(undoTimeout) {
		return
	}
	g.host.log.Warn("the fresh process doesn't end, and is killed", "pid", g.process.pid)
	g.process.kill()
	if !g.process.awaitEnd(undoTimeout) {
		g.host.log.Error("the fresh process doesn't end; the plugins with state go on beside it", "pid", g.process.pid)
	}
}

// commit tells the taker that the plugins are its own. From the moment in which that is on its way nothing here serves state
// again. Whoever waits, and whoever comes, is forwarded.
func (g *giving) commit() error {
	h := g.host
	h.publishMu.Lock() // no prune, and no publication of what is not in the plan
	defer h.publishMu.Unlock()
	if err := g.taker.Send(word{Yours: true}); err != nil {
		return fmt.Errorf("the fresh process has ended: %w", err)
	}
	g.given = true
	h.forward.Store(&g.opts.Forward)
	h.stop(ErrHandedOver)
	gates := map[*plugin]*generations.Gate[*live]{}
	for _, c := range g.moving {
		gates[c.plugin] = c.gate
		c.gate = nil
	}
	g.gates = slices.Collect(maps.Values(gates))
	for _, p := range g.plugins {
		last := p.current()
		var err error
		if gate := gates[p]; gate != nil {
			err = gate.Open(nil)
		} else {
			_, err = p.slot.Swap(nil)
		}
		if err != nil { // the owner alone changes the slot
			panic(fmt.Sprintf("sohost: give %s: %v", p.name, err))
		}
		h.retireLater(p, last)
	}
	h.watcher.Close()
	return h.store.Close()
}

// countWaits tells of the callers who waited at the gates. By now they have gone on.
func (g *giving) countWaits() {
	for _, gate := range g.gates {
		s := gate.Stats()
		if s.Passed == 0 {
			continue
		}
		if g.report.Waited == nil {
			g.report.Waited = &Waited{}
		}
		w := g.report.Waited
		w.Calls += s.Passed
		w.P50, w.P99, w.Max = max(w.P50, s.P50), max(w.P99, s.P99), max(w.Max, s.Max)
	}
}

// hear waits for the taker's word that it serves.
func (g *giving) hear() {
	w, err := g.receive()
	g.countWaits()
	if err == nil && w.Serving == nil {
		err = errors.New("it doesn't say that it serves")
	}
	if err != nil {
		g.report.Warning = fmt.Sprintf("the fresh process has the plugins, and was not heard of since: %v", err)
		return
	}
	g.report.Release, g.report.Moves, g.report.Warning = w.Serving.Release, w.Serving.Moves, w.Serving.Warning
}
