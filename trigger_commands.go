package sohost

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sohost/sohost/internal/triggers"
)

// Triggers describes all triggers, ordered by plugin and name.
func (h *Host) Triggers() []TriggerStatus { return h.triggers.Status() }

// AddTrigger adds a trigger to a plugin, and keeps it in the store. It blocks while a handover runs. It is refused if it isn't valid, if
// its name or path is taken, if what the plugin serves can't serve it, or if rows would go round for ever. After an error nothing has
// changed.
func (h *Host) AddTrigger(plugin string, t Trigger) (TriggerStatus, error) {
	h.adding.Lock()
	defer h.adding.Unlock()
	p, err := h.plugin(plugin)
	if err != nil {
		return TriggerStatus{}, err
	}
	resolved, errs := resolveTriggers([]Trigger{t}, nil)
	if len(errs) > 0 {
		return TriggerStatus{}, errors.Join(errs...)
	}
	t = resolved[0]
	for _, path := range requestPaths(resolved) {
		if other, taken := h.table.Load().At(path); taken && other != p {
			return TriggerStatus{}, fmt.Errorf("path %s is plugin %s's already", path, other.Name)
		}
		if slices.ContainsFunc(h.opts.Chains, func(c Chain) bool { return c.Route == path }) {
			return TriggerStatus{}, fmt.Errorf("path %s is a chain's already", path)
		}
	}
	if err := h.checkLoops(p.Name, t); err != nil {
		return TriggerStatus{}, err
	}
	if g := p.serving(); g != nil {
		spec, _ := triggers.Parse(t.Spec) // resolved above
		err := errors.Join(triggers.Check(g.Value().Value(), spec), p.checkTriggerArgs(g.Value().Image(), t))
		if err != nil {
			return TriggerStatus{}, err
		}
	}
	if err := h.triggers.Add(p.Name, p.args(), t); err != nil {
		return TriggerStatus{}, err
	}
	p.routeTriggers()
	return h.triggerStatus(TriggerKey{Plugin: p.Name, Name: t.Name})
}

// RemoveTrigger removes a trigger that AddTrigger has added, and returns what it was. What waits in its queue is dropped. It blocks while
// a handover runs. Like EnableTrigger and DisableTrigger it also counts if the store can't keep it: TriggerStatus.Unsaved says so, and
// saving is tried again.
func (h *Host) RemoveTrigger(key TriggerKey) (TriggerStatus, error) {
	h.adding.Lock()
	defer h.adding.Unlock()
	p, err := h.plugin(key.Plugin)
	if err != nil {
		return TriggerStatus{}, err
	}
	before := p.triggerRoutes()
	was, err := h.triggerStatus(key)
	if err == nil {
		err = h.triggers.Remove(key)
	}
	if err != nil {
		return TriggerStatus{}, err
	}
	h.table.Store(h.table.Load().Without("", before).With(p.Name, p.Routes, p))
	p.routeTriggers()
	was.Unsaved = h.triggers.Unsaved()
	return was, nil
}

// EnableTrigger enables a trigger, whatever has disabled it. The rows that were put aside when it was disabled are delivered first. It
// is refused if rows would go round for ever, and blocks while a handover runs.
func (h *Host) EnableTrigger(key TriggerKey) (TriggerStatus, error) {
	return h.turnTrigger(key, func(key TriggerKey) error {
		t, err := h.triggerStatus(key)
		if err == nil {
			err = h.checkLoops(key.Plugin, t.Trigger)
		}
		if err != nil {
			return err
		}
		return h.triggers.Enable(key)
	})
}

// DisableTrigger disables a trigger until EnableTrigger, also over restarts. Rows that wait in its queue are put aside. It blocks while a
// handover runs.
func (h *Host) DisableTrigger(key TriggerKey) (TriggerStatus, error) {
	return h.turnTrigger(key, h.triggers.Disable)
}

func (h *Host) turnTrigger(key TriggerKey, turn func(TriggerKey) error) (TriggerStatus, error) {
	h.adding.Lock()
	defer h.adding.Unlock()
	if err := h.Serving(); err != nil {
		return TriggerStatus{}, err
	}
	if err := turn(key); err != nil {
		return TriggerStatus{}, err
	}
	return h.triggerStatus(key)
}

func (h *Host) triggerStatus(key TriggerKey) (TriggerStatus, error) {
	all := h.triggers.Status()
	i := slices.IndexFunc(all, func(s TriggerStatus) bool { return s.Plugin == key.Plugin && s.Name == key.Name })
	if i < 0 {
		return TriggerStatus{}, fmt.Errorf("%w %s", ErrUnknownTrigger, key)
	}
	return all[i], nil
}

// Replayed is what came of ReplayTrigger.
type Replayed = triggers.Replayed

// ReplayTrigger delivers again what a trigger's plugin could not handle, and waits until that is done or ctx ends. What fails again stays.
func (h *Host) ReplayTrigger(ctx context.Context, key TriggerKey) (Replayed, error) {
	return h.triggers.Replay(ctx, key)
}
