package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/sinks"
)

// bindSink returns the settings of one sink, stored in c. Those that aren't given stay zero: package sinks has the defaults.
func bindSink(c *sinks.Config) []setting {
	return []setting{
		{key: "kind", value: asText("kind", &c.Kind, ""), initial: "required",
			help: "`influx`, `file`, `log` or `plugins`"},
		{key: "url", value: asText("URL", &c.URL, ""), initial: "required for influx",
			help: "of an InfluxDB, or of what takes its writes, such as http://localhost:8181"},
		{key: "version", value: unset(asNumber(&c.Version, 3), &c.Version), initial: "required for influx",
			help: "of its write endpoint: 1 is /write, 2 is /api/v2/write, 3 is /api/v3/write_lp"},
		{key: "database", value: asText("text", &c.Database, ""), initial: "required for influx",
			help: "the database or bucket; with plugins the one that their batches name, which may be none"},
		{key: "org", value: asText("text", &c.Org, ""), initial: "none",
			help: "the organisation, for version 2"},
		{key: "token", value: asText("text", &c.Token, ""), initial: "none",
			help: "the token that the database wants"},
		{key: "flush", value: unset(asDuration(&c.Flush, time.Second), &c.Flush),
			help: "how long rows wait for more of them"},
		{key: "spool_limit", value: unset(asBytes(&c.SpoolLimit, 1<<30), &c.SpoolLimit),
			help: "limit for the rows that wait on disk while the database is down; beyond it, a plugin's Emit returns an error"},
		{key: "tables", value: asNames(&c.Tables), initial: "required for plugins",
			help: "the tables whose rows go to plugins that have a trigger for them"},
		{key: "path", value: asPath("path", &c.Path), initial: "required for file",
			help: "the file, to which line protocol is appended"},
		{key: "rotate", value: unset(asBytes(&c.Rotate, 100<<20), &c.Rotate),
			help: "rename the file to PATH.1, and PATH.1 to PATH.2 and so on, when it has this size"},
		{key: "keep", value: unset(asNumber(&c.Keep, 5), &c.Keep),
			help: "how many renamed files stay"},
	}
}

// sinksOf returns the sinks of the plugins that name some.
func (c *config) sinksOf() map[string][]string {
	of := map[string][]string{}
	for name, p := range c.Plugin {
		if p.Sinks != nil {
			of[name] = p.Sinks
		}
	}
	return of
}

// loops calls bad if rows would go round for ever.
func (c *config) loops(bad func(at keyPath, text string)) {
	of, sinksOf := map[string][]sohost.Trigger{}, c.sinksOf()
	for name, p := range c.Plugin {
		of[name] = p.Triggers
	}
	err := sohost.CheckLoops(of, func(plugin string) []string { return sinks.FedTables(c.Sink, sinksOf[plugin]) })
	if loop, is := errors.AsType[*sohost.LoopError](err); is {
		last := loop.Steps[len(loop.Steps)-1]
		i := slices.IndexFunc(of[last.To], func(t sohost.Trigger) bool { return t.Name == last.Trigger })
		bad(keyPath{"plugin", last.To, "trigger", strconv.Itoa(i), "spec"}, loop.Error())
	}
}

// unknownSinks calls bad for each sink of a plugin that there isn't.
func (c *config) unknownSinks(bad func(at keyPath, text string)) {
	for _, name := range c.names() {
		for i, s := range c.Plugin[name].Sinks {
			if _, has := c.Sink[s]; !has && s != "" { // "" was reported
				bad(keyPath{"plugin", name, "sinks", strconv.Itoa(i)}, fmt.Sprintf("plugin %s: there is no sink %q: the sinks are %v", name, s,
					slices.Sorted(maps.Keys(c.Sink))))
			}
		}
	}
}
