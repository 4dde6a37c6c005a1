package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/sohost/sohost"
)

// fault is something in a configuration that can't be used.
type fault struct {
	place
	text string
}

// faultsError names every fault of a file, each on a line FILE:LINE:COLUMN: what is wrong.
type faultsError struct {
	file   string
	faults []fault // at least one, in the order of the file
}

func (e *faultsError) Error() string {
	var b strings.Builder
	if len(e.faults) > 1 {
		fmt.Fprintf(&b, "%d faults in the configuration:\n", len(e.faults))
	}
	for i, f := range e.faults {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s:%d:%d: %s", e.file, f.line, f.column, f.text)
	}
	return b.String()
}

// parser turns a TOML document into a config. The decoder by itself would stop at the first wrong type, and knows the places
// of syntax errors only; a person wants to mend everything at once.
type parser struct {
	at     places
	faults []fault
}

// parseConfig reads the text of a configuration, strictly. Its error is a *faultsError.
func parseConfig(file string, data []byte) (*config, error) {
	p := parser{}
	document := map[string]any{}
	var syntax *toml.DecodeError
	if err := toml.Unmarshal(data, &document); errors.As(err, &syntax) {
		line, column := syntax.Position()
		p.faults = []fault{{place{line, column}, strings.TrimPrefix(syntax.Error(), "toml: ")}}
		return nil, &faultsError{file, p.faults}
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	p.at = findPlaces(data)
	c := p.config(document)
	if len(p.faults) > 0 {
		slices.SortStableFunc(p.faults, func(a, b fault) int {
			return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
		})
		return nil, &faultsError{file, p.faults}
	}
	return c, nil
}

func (p *parser) config(document map[string]any) *config {
	c := &config{Plugin: map[string]pluginConfig{}}
	p.table(nil, document, map[string]setting{
		"listen":           asText(&c.Listen, nil),
		"store":            asText(&c.Store, nil),
		"control":          asText(&c.Control, nil),
		"plugins":          asText(&c.Plugins, nil),
		"keep":             asWhole(&c.Keep),
		"poll":             asTruth(&c.Poll),
		"settle":           asDuration(&c.Settle),
		"open_timeout":     asDuration(&c.OpenTimeout),
		"drain_timeout":    asDuration(&c.DrainTimeout),
		"shutdown_timeout": asDuration(&c.ShutdownTimeout),
		"checkpoints":      asInterval(&c.Checkpoints),
		"state_limit":      asWhole(&c.StateLimit),
		"hang_timeout":     asDuration(&c.HangTimeout),
		"probation":        asDuration(&c.Probation),
		"old_generations":  asWhole(&c.OldGenerations),
		"old_memory":       asWhole(&c.OldMemory),
		"old_goroutines":   asWhole(&c.OldGoroutines),
		"handover_timeout": asDuration(&c.HandoverTimeout),
		"plugin": func(p *parser, at keyPath, v any) {
			plugins, ok := v.(map[string]any)
			if !ok {
				p.bad(at, "want tables [plugin.NAME], not %s", kindOf(v))
				return
			}
			for _, name := range slices.Sorted(maps.Keys(plugins)) {
				c.Plugin[name] = p.plugin(at.with(name), name, plugins[name])
			}
		},
	})
	c.clashes(func(name string, route int, text string) {
		at := keyPath{"plugin", name, "routes"}
		if _, said := p.at[at.with(strconv.Itoa(route)).key()]; said {
			at = at.with(strconv.Itoa(route))
		}
		p.bad(at, "%s", text)
	})
	return c
}

func (p *parser) plugin(at keyPath, name string, v any) pluginConfig {
	c := pluginConfig{Routes: defaultRoutes(name)}
	if err := checkName(name); err != nil {
		p.bad(at, "%v", err)
	}
	settings, ok := v.(map[string]any)
	if !ok {
		p.bad(at, "want a table [plugin.%s], not %s", name, kindOf(v))
		return c
	}
	mode := string(sohost.Prod)
	p.table(at, settings, map[string]setting{
		"image":  asText(&c.Image, nil),
		"mode":   asText(&mode, checkMode),
		"routes": asList(&c.Routes, checkRoute),
		"args":   asArgs(&c.Args),
	})
	if _, said := settings["image"]; !said {
		p.bad(at, "plugin %s has no image: name the .so with image = \"…\"", name)
	}
	c.Mode = sohost.Mode(mode)
	return c
}

// table hands each value of a table to its setting.
func (p *parser) table(at keyPath, t map[string]any, settings map[string]setting) {
	for key, v := range t {
		if take, ok := settings[key]; ok {
			take(p, at.with(key), v)
			continue
		}
		p.bad(at.with(key), "unknown setting %q: want one of %s", key, strings.Join(slices.Sorted(maps.Keys(settings)), ", "))
	}
}

func (p *parser) bad(at keyPath, format string, args ...any) {
	p.faults = append(p.faults, fault{p.at.of(at), fmt.Sprintf(format, args...)})
}
