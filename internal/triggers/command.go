package triggers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/sohost/sohost/abi"
)

// Find returns the trigger, or ErrUnknown.
func (e *Engine) findLocked(key Key) (*trigger, error) {
	if t := e.all[key]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("%w %s: `sohost trigger list` shows those that there are", ErrUnknown, key)
}

// Of returns the specs of a plugin's triggers, also of those that are disabled.
func (e *Engine) Of(plugin string) (specs []Spec) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, t := range e.all {
		if t.key.Plugin == plugin {
			specs = append(specs, t.spec)
		}
	}
	return specs
}

// Add adds a resolved trigger to a plugin that has those arguments, and saves it. After an error there is no such trigger.
func (e *Engine) Add(plugin string, args map[string]string, c Trigger) error {
	e.mu.Lock()
	if e.phase == ended {
		defer e.mu.Unlock()
		return e.why
	}
	key := Key{plugin, c.Name}
	if e.all[key] != nil {
		defer e.mu.Unlock()
		return fmt.Errorf("%w %s: give the new one another name", ErrExists, key)
	}
	t := e.addLocked(plugin, args, c, byCommand)
	e.mu.Unlock()
	if err := e.save(false); err != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.dropLocked(t)
		return fmt.Errorf("save trigger %s: %w", key, err)
	}
	return nil
}

// Remove removes a trigger that was added by command. What is in its queue counts as handled. Like Enable and Disable it also counts if it
// can't be saved: see Unsaved.
func (e *Engine) Remove(key Key) error {
	e.mu.Lock()
	t, err := e.findLocked(key)
	if err == nil && t.origin == byConfig {
		err = fmt.Errorf("%w: remove %s there, or disable it", ErrConfigured, key)
	}
	if err == nil {
		e.dropLocked(t)
	}
	e.mu.Unlock()
	if err == nil {
		e.save(false)
	}
	return err
}

// Enable enables a trigger. What was put aside when it was disabled is the first that its plugin gets.
func (e *Engine) Enable(key Key) error {
	e.mu.Lock()
	t, err := e.findLocked(key)
	e.mu.Unlock()
	if err != nil {
		return err
	}
	t.putting.Lock()
	first := t.heldBack()
	e.mu.Lock()
	t.putting.Unlock() // once the trigger is enabled, nothing more is put aside
	if t.disabled == "" {
		e.mu.Unlock()
		return nil
	}
	t.disableLocked("")
	t.failed, t.notBefore = 0, time.Time{}
	t.last, t.due, t.missed = time.Now(), time.Time{}, 0
	t.pushHeldLocked(first) // nothing has come since the trigger was disabled
	t.nudge()
	e.mu.Unlock()
	e.save(false)
	return nil
}

var errByCommand = errors.New("by command")

// Disable disables a trigger. A call that runs goes on; what is in the queue is put aside until the trigger is enabled.
func (e *Engine) Disable(key Key) error { return e.DisableFor(key, errByCommand) }

// DisableFor is Disable, for a reason that Status tells.
func (e *Engine) DisableFor(key Key, why error) error {
	e.mu.Lock()
	t, err := e.findLocked(key)
	if err != nil || t.disabled != "" {
		e.mu.Unlock()
		return err
	}
	t.disableLocked(why.Error())
	t.due, t.failed = time.Time{}, 0
	keep := 0
	if t.busy {
		keep = min(1, len(t.queue))
	}
	rest := t.restLocked(keep)
	t.nudge()
	e.mu.Unlock()
	t.hold(rest, why)
	e.save(false)
	return nil
}

// Replayed is what came of delivering letters again.
type Replayed struct {
	Delivered int    `json:"delivered"`
	Failed    int    `json:"failed"`          // they stay
	Error     string `json:"error,omitempty"` // the last one
}

// Replay delivers the letters of a trigger again, the oldest first, each in its turn with what else the trigger has to do, and waits.
// Those that fail again stay.
func (e *Engine) Replay(ctx context.Context, key Key) (r Replayed, err error) {
	e.mu.Lock()
	t, err := e.findLocked(key)
	e.mu.Unlock()
	if err != nil {
		return r, err
	}
	names, err := t.letters.names()
	if err != nil {
		return r, err
	}
	defer func() {
		if r.Delivered > 0 {
			e.lettersDelivered(key.Plugin)
		}
	}()
	for _, name := range names {
		err := t.replay(ctx, name)
		if errors.Is(err, errTaken) {
			continue
		}
		if ctx.Err() != nil || errors.Is(err, errNotNow) {
			return r, err
		}
		if err != nil {
			r.Failed, r.Error = r.Failed+1, err.Error()
			continue
		}
		r.Delivered++
	}
	return r, nil
}

var (
	errNotNow = errors.New("nothing is delivered")
	errTaken  = errors.New("it is in the queue, or was delivered meanwhile")
)

// replay delivers one letter and waits.
func (t *trigger) replay(ctx context.Context, name string) error {
	it, err := t.letters.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return errTaken
	}
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	it.replay = done
	t.engine.mu.Lock()
	switch {
	case t.engine.phase == ended:
		err = fmt.Errorf("%w: %w", errNotNow, t.engine.why)
	case t.removed:
		err = fmt.Errorf("%w: trigger %s was removed", errNotNow, t.key)
	case t.disabled != "":
		err = fmt.Errorf("%w: trigger %s is disabled: `sohost trigger enable %s` first", errNotNow, t.key, t.key)
	case t.queuedLocked(name) || t.comesLocked(name) || !t.letters.has(name):
		err = errTaken
	default:
		t.pushLocked(it)
	}
	t.engine.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// A Route is a trigger of requests.
type Route struct{ t *trigger }

// Routes returns a plugin's triggers of requests, also those that are disabled.
func (e *Engine) Routes(plugin string) (routes []*Route) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, t := range e.all {
		if t.key.Plugin == plugin && t.spec.Kind == Request {
			routes = append(routes, &Route{t})
		}
	}
	return routes
}

// Paths returns the paths of the requests.
func (r *Route) Paths() []string { return r.t.Paths() }

// Name returns the trigger's name.
func (r *Route) Name() string { return r.t.Name }

// Enter counts a request and returns the trigger for it, or false if that is disabled.
func (r *Route) Enter() (*abi.Trigger, bool) {
	if r.t.off.Load() {
		return nil, false
	}
	r.t.requests.Add(1)
	return r.t.shown, true
}
