package main

import (
	"fmt"
	"path"
	"slices"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/server/control"
)

// statusFilter says which plugins are shown: all, if it is zero.
type statusFilter struct {
	plugin  string   // a pattern for names
	states  []string // one of them is enough
	failing bool
}

func (f statusFilter) any() bool { return f.plugin != "" || len(f.states) > 0 || f.failing }

// check reports what is wrong with the filter itself.
func (f statusFilter) check() error {
	if _, err := path.Match(f.plugin, ""); err != nil {
		return fmt.Errorf("--plugin %s: want a pattern such as 'shop-*'", f.plugin)
	}
	for _, state := range f.states {
		if !slices.Contains(pluginStates, pluginState(state)) {
			return fmt.Errorf("--state %s: want some of %v", state, pluginStates)
		}
	}
	return nil
}

// matches reports whether a plugin is shown.
func (f statusFilter) matches(p sohost.PluginStatus, s control.Status) bool {
	if f.plugin != "" {
		if ok, _ := path.Match(f.plugin, p.Name); !ok { // check has found bad patterns
			return false
		}
	}
	if f.failing && !isFailing(p, s) {
		return false
	}
	return len(f.states) == 0 || slices.ContainsFunc(statesOf(p, s), func(state pluginState) bool {
		return slices.Contains(f.states, string(state))
	})
}

// of returns the status with only the plugins that match, what they share, and the images in quarantine that are theirs.
func (f statusFilter) of(s control.Status) control.Status {
	if !f.any() {
		return s
	}
	shown := map[string]bool{}
	plugins := []sohost.PluginStatus{}
	for _, p := range s.Plugins {
		if f.matches(p, s) {
			plugins, shown[p.Name] = append(plugins, p), true
		}
	}
	s.Plugins = plugins
	s.Shared = slices.DeleteFunc(slices.Clone(s.Shared), func(of sohost.Sharing) bool {
		return !slices.ContainsFunc(of.Plugins, func(name string) bool { return shown[name] })
	})
	s.Quarantine = slices.DeleteFunc(slices.Clone(s.Quarantine), func(q generations.Quarantine) bool { return !shown[q.Plugin] })
	return s
}
