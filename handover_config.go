package sohost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/native"
)

// Configuration is what a handover can change besides images. It is for supervisors only.
type Configuration struct {
	Plugins  []Plugin   // as in Options
	Chains   []Chain    // as in Options
	Disabled []Disabled // as in Options; the state of those that ran is saved
	Dir      string     // as in Options

	// Forget names plugins that are to be as if they had never been: of those that go, a later release has no image any more, and those
	// that are added begin with their file. One that the host has by a file in Dir goes, if the file is gone.
	Forget []string
}

// reconfiguration is a Configuration, compared with the plugins that the giver has.
type reconfiguration struct {
	of      map[string]Plugin // the configuration of each plugin that stays
	removed map[*plugin]bool
	added   []Plugin
}

// configure finds out what GiveOptions.Config changes. The giver owns all plugins.
func (g *giver) configure() error {
	if g.opts.Config == nil {
		return nil
	}
	c := g.opts.Config
	o, err := Options{Store: g.host.opts.Store, Plugins: c.Plugins, Chains: c.Chains, Disabled: c.Disabled, Dir: c.Dir}.resolve()
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	r := &reconfiguration{of: map[string]Plugin{}, removed: map[*plugin]bool{}}
	for _, config := range o.Plugins {
		r.of[config.Name] = config
		if !slices.ContainsFunc(g.plugins, func(p *plugin) bool { return p.Name == config.Name }) {
			r.added = append(r.added, config)
		}
	}
	for _, p := range g.plugins {
		if _, configured := r.of[p.Name]; configured {
			continue
		}
		served := p.fromDir && p.Image == filepath.Join(o.Dir, p.Name+".so") && p.serving() != nil
		if config, stays := o.inDir(p.Name, served); stays && !g.forgets(p) {
			r.of[p.Name] = config
		} else {
			r.removed[p] = true
		}
	}
	for _, d := range g.host.opts.Disabled { // of these the host has nothing
		if _, configured := r.of[d.Name]; configured {
			continue
		}
		if config, has := o.inDir(d.Name, false); has {
			r.of[d.Name] = config
			r.added = append(r.added, config)
		}
	}
	g.config = r
	return errors.Join(g.clashes(o), g.forgettable())
}

// forgets reports whether the plugin is one of Options.Dir that is to go, and can, since its file is gone.
func (g *giver) forgets(p *plugin) bool {
	return p.fromDir && slices.Contains(g.opts.Config.Forget, p.Name) && !exists(p.Image)
}

// forgettable refuses names that are no plugin's, before and after.
func (g *giver) forgettable() error {
	var errs []error
	for _, name := range g.opts.Config.Forget {
		_, after := g.config.of[name]
		_, err := g.host.plugin(name)
		if err != nil && !after && !errors.Is(err, ErrDisabled) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// clashes returns an error for each path that the configuration gives to a plugin or a chain while a trigger that was added by command,
// of which the configuration doesn't know, has it.
func (g *giver) clashes(o Options) error {
	var errs []error
	for _, t := range g.host.triggers.Status() {
		if _, stays := g.config.of[t.Plugin]; !stays || t.Origin != "command" {
			continue
		}
		for _, path := range t.Paths() {
			if o.routed(path, t.Plugin) {
				key := TriggerKey{Plugin: t.Plugin, Name: t.Name}
				errs = append(errs, fmt.Errorf("configuration: route %s is that of trigger %s, which was added by command: "+
					"name another, or remove the trigger with `sohost trigger remove %s`", path, key, key))
			}
		}
	}
	return errors.Join(errs...)
}

// inDir returns the configuration of a plugin that isn't among o.Plugins but has a file in o.Dir, or is served from there although that
// is gone, and reports whether there is one. As at a boot, it has none if its route is another's, or if it is disabled.
func (o Options) inDir(name string, served bool) (Plugin, bool) {
	file := filepath.Join(o.Dir, name+".so")
	if o.Dir == "" || !exists(file) && !served || o.isDisabled(name) {
		return Plugin{}, false
	}
	config, err := pluginOfFile(file).resolve()
	return config, err == nil && !o.routed(config.Routes[0], "")
}

// routed reports whether a plugin, a trigger or a chain has a route, except for the plugin with that name.
func (o Options) routed(route, but string) bool {
	return slices.ContainsFunc(o.Plugins, func(p Plugin) bool {
		return p.Name != but && (slices.Contains(p.Routes, route) || slices.Contains(requestPaths(p.Triggers), route))
	}) || slices.ContainsFunc(o.Chains, func(c Chain) bool { return c.Route == route }) ||
		slices.ContainsFunc(o.Disabled, func(d Disabled) bool { return d.Name != but && slices.Contains(d.Routes, route) })
}

// stays reports whether the plugin is the taker's after the handover.
func (g *giver) stays(p *plugin) bool { return g.config == nil || !g.config.removed[p] }

// configured returns the plugin's configuration after the handover.
func (g *giver) configured(p *plugin) Plugin {
	if g.config == nil {
		return p.Plugin
	}
	return g.config.of[p.Name]
}

// addPlugins makes the plugins that the configuration adds part of the plan: with the image that the release has, as at a boot, or else
// with their file, if there is none or it was made for another program.
func (g *giver) addPlugins(ctx context.Context, result *plan) error {
	if g.config == nil {
		return nil
	}
	for _, config := range g.config.added {
		result.Plugins = append(result.Plugins, planEntry{Plugin: config, Next: result.Entries[config.Name]})
		if image := result.Entries[config.Name].Image; !image.IsZero() && g.fitsStill(config, image) {
			continue
		}
		p := g.host.newPlugin(config) // the table doesn't have it: here it never serves
		if err := g.addImage(ctx, result, p, config.Image); err != nil {
			return err
		}
	}
	return nil
}

// fitsStill reports whether an image of the release can be loaded by the program of this process. See fitProgram for another one's.
func (g *giver) fitsStill(config Plugin, image generations.ID) bool {
	object, err := g.host.store.Object(image)
	if err != nil || g.opts.Program != "" {
		return err == nil
	}
	var rejection *native.Rejection
	return !errors.As(g.host.loader.Check(object.Path, config.API), &rejection) || rejection.NeedsNewProcess()
}

// removable refuses orders for plugins that the configuration removes.
func (g *giver) removable() error {
	if g.config == nil {
		return nil
	}
	var errs []error
	for p := range g.config.removed {
		if _, ordered := g.opts.Images[p.Name]; ordered {
			errs = append(errs, fmt.Errorf("plugin %s: %w: the configuration has it no more", p.Name, ErrUnknownPlugin))
		}
	}
	g.pending = slices.DeleteFunc(g.pending, func(r *pendingReload) bool { // they fail in the new process, which doesn't know it
		return slices.ContainsFunc(r.candidates, func(c *candidate) bool { return g.config.removed[c.plugin] })
	})
	return errors.Join(errs...)
}

// saveRemoved writes the state of a plugin that the configuration removes as its last checkpoint, as at the server's end: if the plugin
// is added again, it goes on from there. The plugin is paused.
func (g *giver) saveRemoved(ctx context.Context, m *gated) error {
	err := m.plugin.checkpointLast(ctx, m.serves.Value().Instance)
	if err != nil && g.opts.LoseState {
		g.host.log.Error("the state of a plugin that is removed is lost by order", "plugin", m.plugin.Name, "err", err)
		return nil
	}
	if err != nil {
		return cantRemove(m.plugin, err)
	}
	return nil
}

func cantRemove(p *plugin, why error) error {
	return fmt.Errorf("plugin %s can't be removed: its state can't be saved: %w; `sohost reload --lose-state` removes it all the same", p.Name, why)
}

// noteRemoved reports which plugins are gone.
func (g *giver) noteRemoved() {
	for _, p := range g.plugins {
		if !g.stays(p) {
			g.report.Removed = append(g.report.Removed, p.Name)
			g.host.log.Info("removed: the configuration has it no more", "plugin", p.Name)
		}
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
