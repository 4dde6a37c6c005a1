package sohost

import (
	"errors"
	"fmt"

	"github.com/sohost/sohost/internal/triggers"
)

// LoopError is returned when rows that plugins emit would go round for ever.
type LoopError = triggers.LoopError

// CheckLoops returns a LoopError if a plugin with these triggers would be called with rows that its own rows have led to. Feeds is as in
// Options.
func CheckLoops(of map[string][]Trigger, feeds func(plugin string) []string) error {
	return triggers.CheckLoops(of, feeds)
}

// checkLoops returns an error if rows would go round for ever by the triggers of the options.
func (o Options) checkLoops() error {
	if o.Feeds == nil {
		return nil
	}
	of := map[string][]Trigger{}
	for _, p := range o.Plugins {
		of[p.Name] = p.Triggers
	}
	return CheckLoops(of, o.Feeds)
}

// checkLoops returns an error if rows would go round for ever by the triggers that aren't disabled, with one more of a plugin if it is given.
func (h *Host) checkLoops(plugin string, more ...Trigger) error {
	if h.opts.Feeds == nil {
		return nil
	}
	of := map[string][]Trigger{}
	for _, t := range h.triggers.Status() {
		if !t.Disabled {
			of[t.Plugin] = append(of[t.Plugin], t.Trigger)
		}
	}
	of[plugin] = append(of[plugin], more...)
	return CheckLoops(of, h.opts.Feeds)
}

// breakLoops disables triggers that were added by command, until no rows go round for ever: the configuration may have sinks of which
// nobody knew when they were added.
func (h *Host) breakLoops() {
	for {
		loop, is := errors.AsType[*LoopError](h.checkLoops(""))
		if !is {
			return
		}
		key, found := h.addedOn(loop)
		if !found {
			return // impossible: Options have been checked
		}
		why := fmt.Errorf("with the sinks of the configuration it is part of %w", loop)
		h.log.Error("trigger: disabled", "plugin", key.Plugin, "trigger", key.Name, "err", why)
		if h.triggers.DisableFor(key, why) != nil {
			return // impossible: it was found
		}
	}
}

// addedOn returns a trigger of a loop that was added or enabled by command.
func (h *Host) addedOn(loop *LoopError) (key TriggerKey, found bool) {
	added := map[TriggerKey]bool{}
	for _, t := range h.triggers.Status() {
		added[TriggerKey{Plugin: t.Plugin, Name: t.Name}] = t.Origin == "command"
	}
	for _, s := range loop.Steps {
		if key := (TriggerKey{Plugin: s.To, Name: s.Trigger}); added[key] {
			return key, true
		}
	}
	return TriggerKey{}, false
}
