package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/terminal"
)

// pluginState is one thing that a plugin can be; it can be several.
type pluginState string

const (
	stateServing    pluginState = "serving"
	stateDown       pluginState = "down"
	stateBooting    pluginState = "booting"
	stateRefused    pluginState = "refused"
	stateQuarantine pluginState = "quarantine"
	stateMoving     pluginState = "moving"
	stateDraining   pluginState = "draining"
)

// pluginStates lists all states, those first that matter most to whoever looks.
var pluginStates = []pluginState{stateDown, stateBooting, stateQuarantine, stateRefused, stateMoving, stateDraining, stateServing}

// statesOf returns the states of a plugin in the order of pluginStates.
func statesOf(p sohost.PluginStatus, s control.Status) []pluginState {
	is := map[pluginState]bool{
		stateServing:    !p.Generation.IsZero(),
		stateBooting:    p.Booting,
		stateDown:       p.Generation.IsZero() && !p.Booting,
		stateRefused:    p.Refused != nil,
		stateQuarantine: inQuarantine(p.Name, s),
		stateMoving:     p.Gated,
		stateDraining:   len(p.Generations) > 1,
	}
	return slices.DeleteFunc(slices.Clone(pluginStates), func(state pluginState) bool { return !is[state] })
}

func inQuarantine(plugin string, s control.Status) bool {
	for _, q := range s.Quarantine {
		if q.Plugin == plugin {
			return true
		}
	}
	return false
}

// isFailing reports whether somebody should look after the plugin.
func isFailing(p sohost.PluginStatus, s control.Status) bool {
	if slices.ContainsFunc(statesOf(p, s), func(state pluginState) bool { return styleOf(state) == terminal.Bad }) {
		return true
	}
	if c := p.Checkpoint; c != nil && (c.Failed != nil || c.Lost != "") {
		return true
	}
	for _, t := range p.Triggers {
		if t.Why != "" || t.Letters > 0 {
			return true
		}
	}
	return p.Stopped != "" || p.Mismatch != ""
}

// styleOf returns the style of a plugin's first state.
func styleOf(state pluginState) terminal.Style {
	switch state {
	case stateDown, stateRefused, stateQuarantine:
		return terminal.Bad
	case stateServing:
		return terminal.Good
	}
	return terminal.Notice
}

// printSummary prints in one line how the plugins are, what else is wrong, and which release serves for how long.
func printSummary(w io.Writer, s control.Status) {
	look := terminal.LookOf(w)
	parts := append(summarize(look, s), fmt.Sprintf("release %d", s.Release), "up "+ago(s.Started))
	fmt.Fprintf(w, "%s\n\n", strings.Join(parts, "; "))
}

// summarize returns how the plugins are, and what is wrong with the server.
func summarize(look terminal.Look, s control.Status) (parts []string) {
	counts := map[pluginState]int{}
	failing := 0
	for _, p := range s.Plugins {
		told := false
		for _, state := range statesOf(p, s) {
			counts[state]++
			told = told || styleOf(state) == terminal.Bad
		}
		if !told && isFailing(p, s) {
			failing++
		}
	}
	// Images are counted, as some are of plugins that aren't there any more.
	counts[stateQuarantine] = len(s.Quarantine)
	plugins := look.Paint(terminal.Good, count(counts[stateServing], "plugin")+" serving")
	switch {
	case s.Unknown != "":
		plugins = look.Paint(terminal.Bad, "plugins unknown")
	case len(s.Plugins) == 0:
		plugins = "no plugins"
	case counts[stateServing] == 0:
		plugins = look.Paint(terminal.Bad, "no plugin serving")
	}
	for _, state := range pluginStates {
		if n := counts[state]; n > 0 && state != stateServing {
			text := string(state)
			if state == stateQuarantine {
				text = "in quarantine"
			}
			plugins += ", " + look.Paint(styleOf(state), fmt.Sprint(n, " ", text))
		}
	}
	if failing > 0 {
		plugins += ", " + look.Paint(terminal.Bad, fmt.Sprint(failing, " failing otherwise"))
	}
	parts = append(parts, plugins)
	for _, fault := range []struct {
		is   bool
		text string
	}{
		{s.Worker == nil && s.Unknown == "", "no worker"},
		{s.StoreFault != "", "the store can't be written"},
		{s.Config.Failed != nil, "the configuration was not taken up"},
		{s.Failed != nil, "the last handover failed"},
		{s.HandoverDue != nil, "a handover is due"},
	} {
		if fault.is {
			parts = append(parts, look.Paint(terminal.Bad, fault.text))
		}
	}
	for _, text := range expiring(s.Listeners) {
		parts = append(parts, look.Paint(terminal.Bad, text))
	}
	return parts
}
