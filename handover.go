package sohost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/passing"
	"github.com/sohost/sohost/internal/state"
	"golang.org/x/sys/unix"
)

// Handover tells how the plugins went from one process, the giver, to another, the taker.
type Handover struct {
	Why     string         `json:"why"`
	Time    time.Time      `json:"time"` // when it began
	Giver   int            `json:"giver"`
	Taker   int            `json:"taker"`
	Release int            `json:"release"` // the one that is current now
	Phases  HandoverPhases `json:"phases"`

	// Moves tell of the plugins that have state or another image now, in the order of their names.
	Moves []Move `json:"moves"`

	// Waited tells of the callers who had to wait for state; absent if none had to.
	Waited *Waited `json:"waited,omitempty"`

	// Warning says what went wrong after the taker had begun to serve.
	Warning string `json:"warning,omitempty"`
}

// HandoverPhases are the durations of the steps of a handover, in nanoseconds in JSON. Callers of plugins with state wait from
// drain to commit.
type HandoverPhases struct {
	Prepare time.Duration `json:"prepare"` // the taker opens the images
	Drain   time.Duration `json:"drain"`   // until the last call of a plugin with state
	State   time.Duration `json:"state"`   // Stop, Export, the way to the taker, Import, and there the Start of all
	Commit  time.Duration `json:"commit"`  // the word that the plugins are the taker's
	Publish time.Duration `json:"publish"` // until the taker has published its release
}

// GiveOptions adjust a handover.
type GiveOptions struct {
	// Why is the reason, in words.
	Why string

	// Images are new images for plugins that are to serve afterwards, as in Deploy.
	Images map[string]string

	// Program is the executable that the taker runs, if it isn't this one's. An image that doesn't fit it is replaced by the
	// plugin's configured file if that fits.
	Program string

	// Forward gets the requests that wait at the end of the handover, and all that come to this host later.
	Forward http.Handler
}

// word is one message between giver and taker; one field is set. ARCHITECTURE.md tells the order.
type word struct {
	Plan     *plan     `json:"plan,omitempty"`
	Prepared *prepared `json:"prepared,omitempty"`
	State    string    `json:"state,omitempty"`  // the plugin; the file is the end of a pipe with the state
	Caches   bool      `json:"caches,omitempty"` // the file is the end of a pipe with what is in them
	States   bool      `json:"states,omitempty"` // these were all
	Accepted bool      `json:"accepted,omitempty"`
	Yours    bool      `json:"yours,omitempty"`
	Serving  *Reload   `json:"serving,omitempty"`
	Failed   *failed   `json:"failed,omitempty"`
}

// plan is what the taker is to serve.
type plan struct {
	Why     string                       `json:"why"`
	Plugins []planned                    `json:"plugins"`
	Entries map[string]generations.Entry `json:"entries"` // of the release that is current
}

// planned is one plugin's part in a plan.
type planned struct {
	Plugin  Plugin            `json:"plugin"`
	Held    generations.ID    `json:"held,omitzero"`   // by its file
	Serves  generations.ID    `json:"serves,omitzero"` // what the giver serves
	Brings  generations.Entry `json:"brings"`          // what the taker is to serve; the zero image: nothing
	Cause   string            `json:"cause,omitempty"` // why that is another
	Back    int               `json:"back,omitempty"`  // the release that it goes back to
	Kind    generations.Kind  `json:"kind,omitempty"`
	Last    *Move             `json:"last,omitempty"`
	Refused *Refusal          `json:"refused,omitempty"`
}

// prepared tells of which form the taker takes state.
type prepared struct {
	PID   int              `json:"pid"`
	Wants map[string]wants `json:"wants"` // by plugin; absent: it takes none
}

type wants struct {
	Schema  string `json:"schema,omitempty"`
	Version int    `json:"version,omitempty"`
}

// failed is why the taker gives up.
type failed struct {
	Message string   `json:"message"`
	Refusal *Refusal `json:"refusal,omitempty"` // if it is one plugin's image
}

func (f *failed) err() error {
	if f.Refusal != nil {
		f.Refusal.Err = errors.New(f.Refusal.Message)
		return f.Refusal
	}
	return errors.New(f.Message)
}

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

// plan says what the taker is to serve: what this host serves, but for the images that the handover is to bring.
func (g *giving) plan(ctx context.Context) (*plan, error) {
	h := g.host
	h.publishMu.Lock()
	result := &plan{Why: g.opts.Why, Entries: h.entries}
	for _, p := range g.plugins {
		entry := h.entries[p.name]
		entry.Image = p.currentID()
		if g := p.current(); g != nil {
			entry.PassedOver = g.Value().passedOver
		}
		p.mu.Lock()
		result.Plugins = append(result.Plugins, planned{
			Plugin: p.Plugin, Held: p.held, Serves: entry.Image, Brings: entry, Last: p.last, Refused: p.refused,
		})
		p.mu.Unlock()
	}
	h.publishMu.Unlock()
	for _, e := range g.errands {
		for _, c := range e.candidates {
			result.bring(c, e.why)
		}
	}
	if err := g.bringImages(ctx, result); err != nil {
		return nil, err
	}
	return result, g.suit(ctx, result)
}

// bring puts a candidate's image into the plan.
func (p *plan) bring(c *candidate, why cause) {
	i := slices.IndexFunc(p.Plugins, func(pp planned) bool { return pp.Plugin.Name == c.plugin.name })
	pp := &p.Plugins[i]
	pp.Brings = generations.Entry{Image: c.id, Source: c.file, PassedOver: c.passesOver()}
	pp.Cause, pp.Kind, pp.Back, pp.Refused = why.by, why.kind, why.rollbackOf, nil
}

// bringImages puts the images of the options into the plan.
func (g *giving) bringImages(ctx context.Context, p *plan) error {
	for name, file := range g.opts.Images {
		owner, err := g.host.plugin(name)
		if err != nil {
			return err
		}
		if file == "" {
			file = owner.Image
		}
		if err := g.bringFile(ctx, p, owner, file); err != nil {
			return err
		}
	}
	return nil
}

// bringFile stores an image and puts it into the plan.
func (g *giving) bringFile(ctx context.Context, p *plan, owner *plugin, file string) error {
	c := newCandidate(target{plugin: owner, file: file})
	c.phase = "store"
	g.extra = append(g.extra, c)
	if _, err := g.host.storeImage(ctx, c); err != nil {
		return newRefusal(c, err)
	}
	p.bring(c, cause{kind: generations.KindDeploy, by: g.opts.Why})
	return nil
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

// sendStates streams each state to the taker, which says at the end that it has accepted all and that all have started.
func (g *giving) sendStates(ctx context.Context) error {
	limited, cancel := g.host.limit(ctx, g.host.opts.DrainTimeout)
	defer cancel()
	for _, c := range g.moving {
		w, takes := g.wants[c.plugin.name]
		if err := c.serves.Value().pause(limited); err != nil {
			return err
		}
		if !takes {
			g.host.log.Warn("state dropped: the new generation is not abi.Stateful", "plugin", c.plugin.name, "from", c.serves.ID().Short())
			continue
		}
		if err := g.sendState(limited, c, w); err != nil {
			return fmt.Errorf("state of plugin %s: %w", c.plugin.name, err)
		}
	}
	if err := g.sendCaches(limited); err != nil {
		return fmt.Errorf("caches: %w", err)
	}
	g.started = true
	if err := g.taker.Send(word{States: true}); err != nil {
		return fmt.Errorf("the fresh process has ended: %w", err)
	}
	// The taker's Start has its own limit. One that is stuck must not hold the callers longer than a reload may.
	limited, cancel = g.host.limit(ctx, g.host.opts.DrainTimeout+g.host.opts.OpenTimeout)
	defer cancel()
	defer context.AfterFunc(limited, func() { g.taker.Close() })()
	w, err := g.receive()
	if err != nil && limited.Err() != nil {
		return fmt.Errorf("the fresh process takes too long to accept state: %w", context.Cause(limited))
	}
	if err == nil && !w.Accepted {
		err = errors.New("the fresh process doesn't say that it has accepted the state")
	}
	return err
}

// sendState streams one state.
func (g *giving) sendState(ctx context.Context, c *candidate, w wants) (err error) {
	defer caught(&err)
	s, _, err := export(ctx, c.serves.Value(), abi.State{Schema: w.Schema, Version: w.Version})
	if err != nil {
		return err
	}
	return g.stream(ctx, word{State: c.plugin.name}, func(w io.Writer) error { return state.Encode(w, s) })
}

// stream sends what write writes through a pipe that goes with the word.
func (g *giving) stream(ctx context.Context, of word, write func(io.Writer) error) error {
	r, pipe, err := os.Pipe()
	if err != nil {
		return err
	}
	defer pipe.Close()
	enlarge(pipe)
	err = g.taker.Send(of, r)
	r.Close()
	if err != nil {
		return fmt.Errorf("the fresh process has ended: %w", err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		pipe.SetWriteDeadline(deadline)
	}
	if err := write(pipe); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return context.Cause(ctx)
		}
		if w, heard := g.receive(); heard != nil && w.Failed != nil { // that is why it has stopped reading
			return heard
		}
		return err
	}
	return nil
}

// enlarge makes a pipe hold as much as a user's pipes may by default, so that its two ends wait for each other less often.
func enlarge(pipe *os.File) {
	if raw, err := pipe.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) }) // a wish
	}
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
