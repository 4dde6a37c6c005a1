package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/suggest"
)

// amendments are what commands have changed of the configuration's plugins. They are kept in a file of the store, and lie over
// sohost.toml and the flags.
type amendments struct {
	Added    map[string]addition    `json:"added,omitempty"`
	Modes    map[string]sohost.Mode `json:"modes,omitempty"`
	Disabled map[string]bool        `json:"disabled,omitempty"` // false: the configuration says that it is, and a command has enabled it
}

// addition is a plugin that was added by command.
type addition struct {
	Image    string   `json:"image"`
	Settings []string `json:"settings,omitempty"` // see control.Amendment
}

// amendmentsName is the name of the file in supervisor.KeepFolder.
const amendmentsName = "amendments.json"

// amendmentsFile returns the file of a store that has its amendments.
func amendmentsFile(store string) string { return readKeptConfig(store).Path(amendmentsName) }

// loadAmendments reads the amendments of a store. A store that isn't there has none.
func loadAmendments(store string) (*amendments, error) {
	a := new(amendments)
	data, err := os.ReadFile(amendmentsFile(store))
	if err == nil {
		err = json.Unmarshal(data, a)
	} else if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what commands have changed of the configuration: %w; remove %s to go on without it", err, amendmentsFile(store))
	}
	return a, nil
}

// file returns the file that has the amendments. Arguments of plugins may be secrets.
func (a *amendments) file() generations.File {
	return generations.File{Name: amendmentsName, Perm: 0o600, Write: func(w io.Writer) error { return printJSON(w, a) }}
}

// change makes one more amendment, over the configuration that it is given. forget names the plugins that are to be as if they had
// never been. After an error the amendments are of no use.
func (a *amendments) change(c *config, what *control.Amendment) (forget []string, err error) {
	name := what.Plugin
	_, configured := c.Plugin[name]
	_, added := a.Added[name]
	file := filepath.Join(c.Plugins, name+".so")
	_, gone := os.Stat(file)
	inDir := c.Plugins != "" && !configured && !added
	known := configured || added || inDir && gone == nil
	switch {
	case checkName("plugin", name) != nil:
		return nil, checkName("plugin", name)
	case what.Verb == control.Add && known:
		return nil, fmt.Errorf("there is a plugin %s already: `sohost deploy %s=FILE` loads another image, and another plugin needs another name", name, name)
	case what.Verb == control.Add:
		a.drop(name) // of a plugin of that name that there was once
		put(&a.Added, name, addition{what.Image, what.Settings})
		return []string{name}, nil
	case what.Verb == control.Remove && configured:
		return nil, fmt.Errorf("plugin %s is one of the configuration: remove it there and `sohost reload`, or `sohost plugin disable %s`", name, name)
	case what.Verb == control.Remove && inDir && gone == nil:
		return nil, fmt.Errorf("plugin %s is in the plugins directory: remove %s first, or `sohost plugin disable %s`", name, file, name)
	case what.Verb == control.Remove && (added || inDir): // if the directory never had it, the server says so
		a.drop(name)
		return []string{name}, nil
	case !known:
		return nil, a.unknown(c, name)
	}
	p := c.Plugin[name]
	switch {
	case inDir:
		p.Mode = sohost.Dev
	case !configured:
		p, _ = newPluginConfig(a.Added[name].Image, a.Added[name].Settings) // apply tells of what is wrong
	}
	if what.Verb == control.Move {
		setOver(&a.Modes, name, p.Mode, what.Mode)
	} else {
		setOver(&a.Disabled, name, p.Disabled, what.Verb == control.Disable)
	}
	return nil, nil
}

// setOver notes what commands have made of a plugin's setting, unless it has that without them.
func setOver[V comparable](all *map[string]V, name string, without, is V) {
	if delete(*all, name); without != is {
		put(all, name, is)
	}
}

// drop forgets what commands have made of a plugin.
func (a *amendments) drop(name string) {
	delete(a.Added, name)
	delete(a.Modes, name)
	delete(a.Disabled, name)
}

// unknown returns the error for a name that is no plugin's.
func (a *amendments) unknown(c *config, name string) error {
	names := slices.Concat(c.names(), slices.Sorted(maps.Keys(a.Added)))
	if c.Plugins != "" {
		files, _ := filepath.Glob(filepath.Join(c.Plugins, "*.so")) // fails for no pattern of this form
		for _, file := range files {
			base := filepath.Base(file)
			names = append(names, base[:len(base)-len(".so")])
		}
	}
	err := fmt.Errorf("%w %q", sohost.ErrUnknownPlugin, name)
	if meant := suggest.Closest(name, names); meant != "" {
		return fmt.Errorf("%w; did you mean %s?", err, meant)
	}
	return fmt.Errorf("%w: the plugins are %v", err, names)
}

// apply lays the amendments over a configuration. One for a plugin that there isn't is kept, and of no use. Of a plugin that was added
// and is configured now, the configuration's table counts.
func (a *amendments) apply(c *config) (all []control.Amended, err error) {
	var errs []error
	configured := maps.Clone(c.Plugin)
	for _, name := range slices.Sorted(maps.Keys(a.Added)) {
		if _, has := configured[name]; has {
			continue
		}
		p, err := newPluginConfig(a.Added[name].Image, a.Added[name].Settings)
		if err != nil {
			errs = append(errs, fmt.Errorf("plugin %s, which was added by command: %w", name, err))
		}
		c.Plugin[name] = p
	}
	for _, name := range a.names() {
		told := control.Amended{Plugin: name, Mode: a.Modes[name]}
		p, has := c.Plugin[name]
		_, added := a.Added[name]
		_, isConfigured := configured[name]
		told.Added = added && !isConfigured
		if off, turned := a.Disabled[name]; turned {
			told.Disabled = &off
		}
		switch {
		case added && isConfigured:
			told.Unused = "the configuration has it, too"
		case !has && c.Plugins == "":
			told.Unused = "there is no such plugin"
			all = append(all, told)
			continue
		case !has: // it is one of the directory
			p, _ = newPluginConfig(filepath.Join(c.Plugins, name+".so"), nil) // fails for wrong settings only
			p.Mode = sohost.Dev
		}
		all = append(all, told)
		if told.Mode != "" {
			p.Mode = told.Mode
		}
		if told.Disabled != nil {
			p.Disabled = *told.Disabled
		}
		c.Plugin[name] = p
	}
	return all, errors.Join(errs...)
}

// names returns the plugins that are amended.
func (a *amendments) names() []string {
	all := map[string]bool{}
	for name := range a.Added {
		all[name] = true
	}
	for name := range a.Modes {
		all[name] = true
	}
	for name := range a.Disabled {
		all[name] = true
	}
	return slices.Sorted(maps.Keys(all))
}
