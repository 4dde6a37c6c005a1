package main

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"

	"github.com/sohost/sohost"
)

// bindRoute returns the settings of one route, stored in c.
func bindRoute(c *sohost.Chain) []setting {
	return []setting{
		{key: "chain", value: asNames(&c.Plugins), initial: "required",
			help: "the plugins that serve the route, in the order in which they get requests"},
		{key: "backend", value: asText("URL", &c.Backend, ""), initial: "none: the last plugin answers",
			help: "the server that comes after the plugins, such as http://127.0.0.1:9000"},
	}
}

// asNames is a list of names, which are checked with everything else of a chain.
func asNames(to *[]string) value {
	return value{
		kind: "list of names",
		fromTOML: func(p *parser, at keyPath, v any) {
			list, _ := take[[]any](p, at, v, "a list")
			for i, v := range list {
				name, _ := take[string](p, at.with(strconv.Itoa(i)), v, "the name of a plugin in quotes")
				*to = append(*to, name)
			}
		},
	}
}

// routes reads all tables of routes.
func (p *parser) routes(c *config, at keyPath, v any) {
	tables, ok := v.(map[string]any)
	if !ok {
		p.bad(at, `want tables [route."/PATH"], not %s`, kindOf(v))
		return
	}
	for _, route := range slices.Sorted(maps.Keys(tables)) {
		given, ok := take[map[string]any](p, at.with(route), tables[route], "a table")
		if !ok {
			continue
		}
		chain, before := sohost.Chain{Route: route}, len(p.faults)
		p.table(at.with(route), given, bindRoute(&chain))
		if len(p.faults) == before {
			c.Chains = append(c.Chains, chain)
		}
	}
}

// chains checks the chains, once the plugins are known. A plugin that is in one has no route of its own unless it names some.
func (p *parser) chains(c *config, unrouted map[string]bool) {
	fields := map[string]string{"Plugins": "chain", "Backend": "backend"}
	sohost.CheckChains(c.Chains, c.names(), func(i int, field string, index int, text string) {
		at := keyPath{"route", c.Chains[i].Route}
		if key := fields[field]; key != "" {
			at = at.with(key)
		}
		if field == "Plugins" {
			at = at.with(strconv.Itoa(index))
		}
		p.bad(at, "%s", text)
	})
	taken := map[string]string{}
	for _, chain := range c.Chains {
		for _, name := range chain.Plugins {
			if plugin, known := c.Plugin[name]; known && unrouted[name] {
				plugin.Routes = nil
				c.Plugin[name] = plugin
			}
		}
	}
	for _, name := range c.names() {
		for _, r := range c.Plugin[name].Routes {
			taken[path.Clean(r)] = "plugin " + name
		}
		for _, t := range c.Plugin[name].Triggers {
			for _, r := range t.Paths() {
				taken[r] = "a trigger of plugin " + name
			}
		}
	}
	for _, chain := range c.Chains {
		route := path.Clean(chain.Route)
		if other, is := taken[route]; is {
			p.bad(keyPath{"route", chain.Route}, "%s", fmt.Sprintf("%s already has route %s", other, route))
		}
		taken[route] = fmt.Sprintf("[route.%q]", chain.Route)
	}
}
