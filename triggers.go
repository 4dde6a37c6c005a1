package sohost

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/triggers"
)

// Trigger is one reason for which a plugin is called.
type Trigger = triggers.Trigger

// TriggerKey names a trigger.
type TriggerKey = triggers.Key

// ParseTriggerKey reads PLUGIN/TRIGGER.
func ParseTriggerKey(text string) (TriggerKey, error) { return triggers.ParseKey(text) }

// TriggerPolicy is what follows an error of a plugin, and MissedTimes what becomes of times that pass while no server runs.
type (
	TriggerPolicy = triggers.Policy
	MissedTimes   = triggers.Missed
)

// TriggerStatus describes a trigger in a PluginStatus.
type TriggerStatus = triggers.Status

// Delivery is one write on its way to the plugins.
type Delivery = triggers.Delivery

// Backlog has the writes that were acknowledged, until no trigger needs them any more; BacklogReader reads them, one Acknowledged after the
// other.
type (
	Backlog       = triggers.Backlog
	BacklogReader = triggers.BacklogReader
	Acknowledged  = triggers.Acknowledged
)

// Errors about triggers.
var (
	// ErrFull is returned by Deliver when the queue of a trigger has no room.
	ErrFull = triggers.ErrFull

	// ErrUnknownTrigger is returned when there is no such trigger.
	ErrUnknownTrigger = triggers.ErrUnknown
)

// resolveTriggers checks the triggers of one plugin and fills in the defaults. It adds all that is wrong to errs.
func resolveTriggers(given []Trigger, errs []error) ([]Trigger, []error) {
	var resolved []Trigger
	names := map[string]bool{}
	for i, t := range given {
		t = t.Resolve(func(field, text string) { errs = append(errs, fmt.Errorf("trigger %d: %s: %s", i+1, field, text)) })
		if t.Name != "" && names[t.Name] {
			errs = append(errs, fmt.Errorf("trigger %d: name: another one is %s already: give one of them another name", i+1, t.Name))
		}
		names[t.Name] = true
		resolved = append(resolved, t)
	}
	return resolved, errs
}

// requestPaths returns the paths that triggers of requests have.
func requestPaths(of []Trigger) (paths []string) {
	for _, t := range of {
		paths = append(paths, t.Paths()...)
	}
	return paths
}

// openTriggers makes the host's triggers. What a taker knows of them comes from the giver.
func (h *Host) openTriggers(takes bool) {
	var saved triggers.Saved
	if !takes {
		var err error
		if saved, err = triggers.Load(h.store.Folder); err != nil {
			h.log.Error("what is known of triggers is lost: those that were added by command, and which are disabled", "err", err)
		}
	}
	h.triggers = triggers.New(triggers.Options{
		Call: h.callForTrigger, Folder: h.store.Folder, Backlog: h.opts.Backlog, Keeps: h.keepsWrites, Checkpoint: h.checkpointNow, Logger: h.log,
		Failed: h.tellTrigger,
	}, saved)
}

// keepsWrites reports whether a plugin's checkpoints have what it has made of writes. Of one that doesn't serve that isn't known.
func (h *Host) keepsWrites(name string) bool {
	p, err := h.plugin(name)
	if err != nil {
		return false
	}
	g := p.serving()
	return g == nil || h.opts.CheckpointInterval >= 0 && g.Value().Checkpointable()
}

// closeBacklog closes the backlog, so that the next process can go on after it.
func (h *Host) closeBacklog() error {
	if h.opts.Backlog == nil {
		return nil
	}
	return h.opts.Backlog.Close()
}

// callForTrigger is Call for the triggers.
func (h *Host) callForTrigger(ctx context.Context, plugin string, fn func(abi.Instance) error) error {
	called := false
	err := h.Call(ctx, plugin, func(i abi.Instance) error {
		called = true
		return fn(i)
	})
	if err != nil && !called {
		return fmt.Errorf("%w: %w", triggers.ErrNotCalled, err)
	}
	if panicked, is := errors.AsType[*instance.PanicError](err); is {
		h.log.Error("panic in plugin", "plugin", plugin, "panic", panicked.Value, "stack", string(panicked.Stack))
	}
	return err
}

// closeTriggers ends the triggers. Calls that run are waited for until ctx ends, and so are writes that a plugin is to get.
func (h *Host) closeTriggers(ctx context.Context) error {
	err := h.triggers.Pause(ctx)
	return errors.Join(err, h.triggers.End(ctx, ErrClosed, true))
}

// pauseTriggers has no more calls begun for triggers.
func (g *giver) pauseTriggers(ctx context.Context) error {
	ctx, cancel := g.host.limit(ctx, g.host.opts.DrainTimeout, drainTimeout)
	defer cancel()
	return g.host.triggers.Pause(ctx)
}

// canServeTriggers returns an error that names each trigger which an instance can't serve.
func (p *plugin) canServeTriggers(in *instance.Instance) error {
	var errs []error
	for _, spec := range p.host.triggers.Of(p.Name) {
		errs = append(errs, triggers.Check(in.Value(), spec))
	}
	return errors.Join(errs...)
}

// checkArgs compares the plugin's arguments, and those that its triggers add, with what an image says of them.
func (p *plugin) checkArgs(image *instance.Image) error {
	errs := []error{instance.CheckArgs(image.Args(), p.args())}
	if errs[0] != nil { // it would be repeated for each trigger
		return errs[0]
	}
	for _, t := range p.host.triggers.Status() {
		if t.Plugin == p.Name {
			errs = append(errs, p.checkTriggerArgs(image, t.Trigger))
		}
	}
	return errors.Join(errs...)
}

// checkTriggerArgs does so for one trigger.
func (p *plugin) checkTriggerArgs(image *instance.Image, t Trigger) error {
	all := p.args()
	maps.Copy(all, t.Args)
	if err := instance.CheckArgs(image.Args(), all); err != nil {
		return fmt.Errorf("trigger %s: %w", t.Name, err)
	}
	return nil
}

// routeTriggers gives the triggers of requests their routes.
func (p *plugin) routeTriggers() {
	h := p.host
	table := h.table.Load()
	for _, r := range h.triggers.Routes(p.Name) {
		for _, path := range r.Paths() {
			table = table.WithRoute(path, p, routeNote{trigger: r})
		}
	}
	h.table.Store(table)
}

// triggerRoutes returns the routes of the triggers of requests.
func (p *plugin) triggerRoutes() (paths []string) {
	for _, r := range p.host.triggers.Routes(p.Name) {
		paths = append(paths, r.Paths()...)
	}
	return paths
}

// triggered returns a request with the trigger that it is for, or answers it if that is disabled.
func triggered(w http.ResponseWriter, r *http.Request, route *triggers.Route) (*http.Request, bool) {
	trigger, ok := route.Enter()
	if !ok {
		http.Error(w, fmt.Sprintf("trigger %s is disabled", route.Name()), http.StatusServiceUnavailable)
		return r, false
	}
	return r.WithContext(context.WithValue(r.Context(), abi.TriggerKey{}, trigger)), true
}

// Deliver hands a write to all plugins with a trigger for one of its tables. It blocks while the plugins are handed over, until ctx ends.
// If a trigger's queue has no room the error is ErrFull and no plugin gets anything. After the end of the host the error is ErrClosed or
// ErrHandedOver. The tables must stay as they are until Delivery.Done.
func (h *Host) Deliver(ctx context.Context, database string, tables []abi.Table) (*Delivery, error) {
	return h.triggers.Deliver(ctx, database, tables)
}

// WantsWrite reports whether a plugin has a trigger for one of the tables, disabled or not. A write that none wants need not be in
// Options.Backlog.
func (h *Host) WantsWrite(tables []abi.Table) bool { return h.triggers.Wants(tables) }
