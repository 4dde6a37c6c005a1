package triggers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
)

// Options is what an Engine needs.
type Options struct {
	// Call lends the instance of a plugin that serves to fn, and returns its error, or that of a panic. If fn wasn't called the error
	// matches ErrNotCalled.
	Call func(ctx context.Context, plugin string, fn func(abi.Instance) error) error

	// Folder returns a folder of the store.
	Folder func(name string) *generations.Folder

	// Backlog has the writes that were acknowledged before they were handled. Default: there are none, and those that Deliver takes are
	// acknowledged when they are handled.
	Backlog Backlog

	// Keeps reports whether what a plugin has made of writes is kept by checkpoints of its state. It is called with a lock held. It may be
	// nil if Backlog is.
	Keeps func(plugin string) bool

	// Checkpoint asks for a checkpoint of a plugin, because Backlog is crowded, or because letters were delivered. Default: nobody is asked.
	Checkpoint func(plugin string)

	// Failed is told of the first error of a trigger's call since the last success, and of any error that disables it. It must not call
	// the engine. Default: nobody is told.
	Failed func(plugin, trigger string, err error, disabled bool)

	Logger *slog.Logger
}

// phase is how far an Engine has come.
type phase int

const (
	idle    phase = iota // until Start
	running              // calls are made
	pausing              // only what a writer waits for is still delivered
	paused               // no call runs
	ended                // nothing runs any more
)

// Engine has the triggers of a host. Its methods may be called from any goroutine.
type Engine struct {
	o      Options
	calls  context.Context // of all calls; ends with the engine
	cancel context.CancelCauseFunc
	tasks  sync.WaitGroup // one goroutine for each trigger that isn't one of requests
	saving sync.Mutex     // held while state.json is written; taken before mu

	mu      sync.Mutex // guards what follows, and what trigger says
	phase   phase
	turned  chan struct{} // closed, and made anew, when the phase changes or something has ended that Pause waits for
	why     error         // of the end
	all     map[Key]*trigger
	writers []*trigger           // those of writes, in the order of their keys
	saved   map[Key]SavedTrigger // of plugins that aren't there
	dirty   *time.Timer          // will save; nil if nothing has changed
	writing bool                 // state.json is being written
	unsaved string               // why it couldn't be written, the last time that was tried; "" if it was
	rejoin  bool                 // times that have passed are caught up with: see Take
	hurried bool                 // Pause has ended the contexts of the calls that run
}

// Key names a trigger.
type Key struct {
	Plugin string `json:"plugin"`
	Name   string `json:"name"`
}

// String returns PLUGIN/NAME.
func (k Key) String() string { return k.Plugin + "/" + k.Name }

// ParseKey reads PLUGIN/NAME.
func ParseKey(text string) (Key, error) {
	plugin, name, found := strings.Cut(text, "/")
	if !found || !generations.ValidName(plugin) || !generations.ValidName(name) {
		return Key{}, fmt.Errorf("%q: want PLUGIN/TRIGGER", text)
	}
	return Key{plugin, name}, nil
}

func compareKeys(a, b *trigger) int { return strings.Compare(a.key.String(), b.key.String()) }

// New returns an engine that calls nothing before Start. It knows what saved says of triggers that are still to be configured.
func New(o Options, saved Saved) *Engine {
	e := &Engine{o: o, turned: make(chan struct{}), all: map[Key]*trigger{}, saved: map[Key]SavedTrigger{}}
	e.calls, e.cancel = context.WithCancelCause(context.Background())
	for _, s := range saved.Triggers {
		e.saved[s.Key] = s
	}
	return e
}

// Configure adds the triggers of a plugin: those of the configuration, and those that were added by command.
func (e *Engine) Configure(plugin string, args map[string]string, configured []Trigger) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, t := range configured {
		e.addLocked(plugin, args, t, byConfig)
	}
	for _, key := range slices.SortedFunc(maps.Keys(e.saved), func(a, b Key) int { return strings.Compare(a.String(), b.String()) }) {
		if s := e.saved[key]; key.Plugin == plugin && s.Added != nil {
			e.addLocked(plugin, args, *s.Added, byCommand)
		}
	}
}

// Forget removes all triggers of a plugin that the host has no more. What is saved of them stays.
func (e *Engine) Forget(plugin string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for key, t := range e.all {
		if key.Plugin == plugin {
			e.saved[key] = t.saveLocked()
			e.dropLocked(t)
		}
	}
}

// addLocked adds a trigger, which must be resolved and have a new name.
func (e *Engine) addLocked(plugin string, args map[string]string, c Trigger, from origin) *trigger {
	spec, _ := Parse(c.Spec) // which Resolve has done before
	t := &trigger{
		key: Key{plugin, c.Name}, Trigger: c, spec: spec, engine: e, origin: from, wake: make(chan struct{}, 1),
		room: make(chan struct{}, 1), unfeed: func() {},
		shown: &abi.Trigger{Name: c.Name, Spec: c.Spec, Args: merged(args, c.Args)}, last: time.Now(),
		letters: &letters{folder: e.o.Folder(filepath.Join("letters", plugin, c.Name))},
	}
	if c.Disabled {
		t.disableLocked("it is disabled in the configuration")
		if from == byCommand {
			t.disableLocked("it was added so")
		}
	}
	if e.o.Backlog != nil && spec.Kind == Write {
		end := e.o.Backlog.End() // it gets what comes from now on
		t.cursor, t.read, t.kept = end, end, end
	}
	if s, has := e.saved[t.key]; has {
		t.restoreLocked(s, e.rejoin)
		delete(e.saved, t.key)
	}
	e.all[t.key] = t
	if spec.Kind == Write {
		e.writers = append(e.writers, t)
		slices.SortFunc(e.writers, compareKeys)
	}
	if e.phase != idle && e.phase != ended {
		e.beginLocked(t)
	}
	return t
}

// dropLocked removes a trigger. What is in its queue counts as handled.
func (e *Engine) dropLocked(t *trigger) {
	delete(e.all, t.key)
	e.writers = slices.DeleteFunc(e.writers, func(w *trigger) bool { return w == t })
	t.removed = true
	t.off.Store(true)
	t.unfeed()
	for len(t.queue) > 0 && !t.busy || len(t.queue) > 1 {
		t.popLocked(len(t.queue)-1, nil)
	}
	t.nudge()
}

// beginLocked starts the goroutine of a trigger. What Enable had it get first, and no process has delivered, it gets first.
func (e *Engine) beginLocked(t *trigger) {
	if t.spec.Kind == Write && t.disabled == "" {
		t.pushHeldLocked(t.heldBack())
	}
	if t.spec.Kind != Request {
		e.tasks.Go(t.run)
	}
	if t.spec.Kind == Write && e.o.Backlog != nil {
		e.tasks.Go(t.feed)
		e.changedLocked() // where it begins
	}
}

// Start lets the triggers call their plugins. With a Backlog it returns once it is on disk where each trigger begins, if
// that can be saved: otherwise new triggers may miss writes after a crash.
func (e *Engine) Start() {
	e.mu.Lock()
	if e.phase != idle {
		e.mu.Unlock()
		return
	}
	for _, t := range e.all {
		e.beginLocked(t)
	}
	e.turnLocked(running)
	e.mu.Unlock()
	e.forgetUnkept()
	if e.o.Backlog == nil {
		return
	}
	e.save(false)
}

// keeps reports whether what a plugin has made of writes is kept by checkpoints of its state.
func (e *Engine) keeps(plugin string) bool { return e.o.Keeps != nil && e.o.Keeps(plugin) }

// turnLocked changes the phase, and wakes everyone.
func (e *Engine) turnLocked(to phase) {
	e.phase = to
	e.tellLocked()
	for _, t := range e.all {
		t.nudge()
	}
}

// tellLocked wakes those who wait for a change.
func (e *Engine) tellLocked() {
	close(e.turned)
	e.turned = make(chan struct{})
}

// endGrace is how long End waits if ctx has ended: goroutines need a moment even when no call runs.
const endGrace = 100 * time.Millisecond

// End ends the engine: what waits gets the error. Calls that run are waited for until ctx ends, and then their contexts end, too. Unless
// the triggers go on elsewhere, save is set.
func (e *Engine) End(ctx context.Context, why error, save bool) error {
	e.mu.Lock()
	if e.phase == ended {
		e.mu.Unlock()
		return nil
	}
	begun := e.phase != idle
	e.why = why
	e.turnLocked(ended)
	if e.dirty != nil {
		e.dirty.Stop()
		e.dirty = nil
	}
	for _, t := range e.all {
		t.unfeed()
		for len(t.queue) > 0 && !t.busy || len(t.queue) > 1 {
			t.popLocked(len(t.queue)-1, why)
		}
	}
	e.mu.Unlock()
	done := make(chan struct{})
	go func() { e.tasks.Wait(); close(done) }()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		select {
		case <-done:
		case <-time.After(endGrace):
			err = fmt.Errorf("calls of triggers have not returned: %w", context.Cause(ctx))
		}
	}
	e.cancel(why)
	if save && begun {
		err = errors.Join(err, e.save(true))
	}
	return err
}
