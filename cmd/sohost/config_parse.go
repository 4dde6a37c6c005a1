package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/sohost/sohost/internal/query"
	"github.com/sohost/sohost/internal/server/hooks"
	"github.com/sohost/sohost/internal/sinks"
)

// fault is a mistake in a configuration.
type fault struct {
	position
	text string
}

// faultsError lists every fault of a file, one a line: FILE:LINE:COLUMN: what is wrong.
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

// parser turns a TOML document into a config. It reports every fault with its position, so that all can be mended at once:
// the decoder would stop at the first wrong type, and knows positions of syntax errors only.
type parser struct {
	dir    string // relative paths start here
	at     positions
	faults []fault
}

// parseConfig reads the text of a configuration. An unknown key is a fault. The error is a *faultsError, except where the
// directory of the file can't be found.
func parseConfig(file string, data []byte) (*config, error) {
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	p := parser{dir: dir}
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return nil, &faultsError{file, []fault{{position{1, 1}, "the file is in UTF-16; save it as UTF-8"}}}
	}
	document := map[string]any{}
	var syntax *toml.DecodeError
	if err := toml.Unmarshal(data, &document); errors.As(err, &syntax) {
		line, column := syntax.Position()
		p.faults = []fault{{position{line, column}, strings.TrimPrefix(syntax.Error(), "toml: ")}}
		return nil, &faultsError{file, p.faults}
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	p.at = findPositions(data)
	c := p.config(document)
	if err := p.failed(file); err != nil {
		return nil, err
	}
	c.at = p.at
	return c, nil
}

// failed returns an error that lists the faults in their order, or nil if there is none.
func (p *parser) failed(file string) error {
	if len(p.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(p.faults, func(a, b fault) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	return &faultsError{file, p.faults}
}

func (p *parser) config(document map[string]any) *config {
	c := newConfig()
	c.dir = p.dir
	if tables, ok := document["plugins"].(map[string]any); ok {
		name := "NAME"
		if len(tables) > 0 {
			name = slices.Sorted(maps.Keys(tables))[0]
		}
		p.bad(keyPath{"plugins"}, "plugins: want a directory in quotes; the table of a plugin is [plugin.%s]", name)
		delete(document, "plugins")
	}
	p.table(nil, document, append(slices.Clone(c.settings),
		setting{key: "plugin", value: asNamed(c.Plugin, (*parser).plugin)},
		setting{key: "listener", value: asNamed(c.Listener, checked(bindListener, (*listenerConfig).check))},
		setting{key: "sink", value: asNamed(c.Sink, checked(bindSink, (*sinks.Config).Check))},
		setting{key: "hook", value: asNamed(c.Hook, checked(bindHook, (*hooks.Hook).Check))},
		setting{key: "database", value: asNamed(c.Database, checked(bindDatabase, (*query.Options).Check))},
		setting{key: "route", value: asTables(`"/PATH"`, func(p *parser, at keyPath, route string, given map[string]any) {
			p.route(c, at, route, given)
		})}))
	p.chains(c)
	c.route()
	bad := func(at keyPath, text string) { p.bad(at, "%s", text) }
	c.clashes(bad)
	c.unknownSinks(bad)
	c.loops(bad)
	c.badListeners(bad)
	c.checkConsole(bad)
	return c
}

// plugin reads the table of a plugin.
func (p *parser) plugin(at keyPath, name string, given map[string]any) (c pluginConfig) {
	p.table(at, given, c.bind())
	if _, named := given["image"]; !named {
		p.bad(at, "plugin %s has no image: name the .so with image = \"…\"", name)
	}
	return c
}

// table hands each value of a table to its setting. It reports whether there were no faults.
func (p *parser) table(at keyPath, t map[string]any, settings []setting) bool {
	before := len(p.faults)
	var keys []string
	for _, s := range settings {
		keys = append(keys, s.key)
		if v, given := t[s.key]; given {
			s.value.fromTOML(p, at.with(s.key), v)
		}
	}
	slices.Sort(keys)
	for key := range t {
		if _, known := slices.BinarySearch(keys, key); !known {
			p.bad(at.with(key), "%v", unknown("setting", key, keys, "one of "+strings.Join(keys, ", ")))
		}
	}
	return len(p.faults) == before
}

func (p *parser) bad(at keyPath, format string, args ...any) {
	p.faults = append(p.faults, fault{p.at.of(at), fmt.Sprintf(format, args...)})
}
