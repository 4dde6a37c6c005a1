package main

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/routes"
	"github.com/sohost/sohost/internal/writes"
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

// route reads the table of a route.
func (p *parser) route(c *config, at keyPath, route string, given map[string]any) {
	chain := sohost.Chain{Route: route}
	if p.table(at, given, bindRoute(&chain)) {
		c.chains = append(c.chains, chain)
	}
}

// chains checks the chains, once the plugins are known.
func (p *parser) chains(c *config) {
	sohost.CheckChains(c.chains, c.names(), func(i int, field string, index int, text string) {
		at := keyPath{"route", c.chains[i].Route}
		switch field {
		case "Plugins":
			at = append(at, "chain", strconv.Itoa(index))
		case "Backend":
			at = append(at, "backend")
		}
		p.bad(at, "%s", text)
	})
}

// route gives each plugin that names no routes one of its own, /NAME, unless it is in a chain.
func (c *config) route() {
	for name, plugin := range c.Plugin {
		if plugin.Routes != nil {
			continue
		}
		plugin.Routes = []string{}
		if !slices.ContainsFunc(c.chains, func(chain sohost.Chain) bool { return slices.Contains(chain.Plugins, name) }) {
			plugin.Routes = append(plugin.Routes, "/"+name)
		}
		c.Plugin[name] = plugin
	}
}

// clashes calls bad for each path that is to be served twice: by plugins, their triggers, chains, and what clients write to. Triggers may
// share the paths of their plugin.
func (c *config) clashes(bad func(at keyPath, text string)) {
	const clients = "clients"
	taken := map[string]string{} // whose a path is
	if c.Writes {
		for _, p := range writes.Paths {
			taken[p] = clients
		}
	}
	claim := func(at keyPath, owner, what, given string) {
		shares := what == "path"
		clean, err := routes.Clean(given)
		if err != nil { // that was reported
			return
		}
		switch other, is := taken[clean]; {
		case !is || shares && other == owner:
		case other == clients:
			bad(at, fmt.Sprintf("%s: %s %s is where clients write: name another, or leave writes out", owner, what, given))
		default:
			bad(at, fmt.Sprintf("%s: %s already has %s %s", owner, other, what, given))
		}
		taken[clean] = owner
	}
	for _, name := range c.names() {
		for i, r := range c.Plugin[name].Routes {
			claim(keyPath{"plugin", name, "routes", strconv.Itoa(i)}, "plugin "+name, "route", r)
		}
	}
	for _, name := range c.names() {
		for i, t := range c.Plugin[name].Triggers {
			for _, r := range t.Paths() {
				claim(keyPath{"plugin", name, "trigger", strconv.Itoa(i), "spec"}, "plugin "+name, "path", r)
			}
		}
	}
	for _, chain := range c.chains {
		claim(keyPath{"route", chain.Route}, fmt.Sprintf("[route.%q]", chain.Route), "route", chain.Route)
	}
}
