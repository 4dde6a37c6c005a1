package sohost

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sohost/sohost/internal/backend"
	"github.com/sohost/sohost/internal/routes"
	"github.com/sohost/sohost/internal/suggest"
)

// Chain is a route that several plugins serve, one after the other: each but the last is an abi.Middleware, which decides whether and
// how the next gets the request. A reload replaces one plugin's code in all chains and leaves the others alone.
type Chain struct {
	// Route is a URL path prefix, as in Plugin.Routes. It is unique among these, too.
	Route string

	// Plugins names the plugins in the order in which they get requests: at least one, all of them in Options.Plugins. A plugin may be
	// in several chains, and then before or after the same others in each: a request keeps the code of each plugin that it has reached,
	// so plugins whose state moves together are held back in this order.
	Plugins []string

	// Backend is the URL of the server, such as http://127.0.0.1:9000, that comes after the plugins. If it is empty, the last plugin
	// must be an http.Handler.
	Backend string
}

// ChainStatus describes a chain in a Status.
type ChainStatus struct {
	Route   string   `json:"route"`
	Plugins []string `json:"plugins"`
	Backend string   `json:"backend,omitempty"`
}

// CheckChains calls bad for each fault of chains whose plugins have these names, with the number of the chain and the field that it is
// in: "Route", "Backend" or "Plugins", and for that the index.
func CheckChains(chains []Chain, plugins []string, bad func(chain int, field string, index int, text string)) {
	ranks := newRanks(chains)
	for i, c := range chains {
		if _, err := routes.Clean(c.Route); err != nil {
			bad(i, "Route", 0, fmt.Sprintf("route: %v", err))
		}
		if len(c.Plugins) == 0 {
			bad(i, "Plugins", 0, "the chain is empty: name its plugins in the order in which they get requests")
		}
		if c.Backend != "" {
			if _, err := backend.Parse(c.Backend); err != nil {
				bad(i, "Backend", 0, err.Error())
			}
		}
		for at, name := range c.Plugins {
			switch {
			case !slices.Contains(plugins, name):
				bad(i, "Plugins", at, unknownInChain(name, plugins))
			case slices.Index(c.Plugins, name) < at:
				bad(i, "Plugins", at, fmt.Sprintf("plugin %s is in the chain already: a request can't pass it twice; configure the image as another plugin, too", name))
			case at > 0 && ranks.circle[[2]string{c.Plugins[at-1], name}]:
				bad(i, "Plugins", at, fmt.Sprintf("plugin %s comes after %s here and before it by way of other chains: "+
					"give them the same order in all", name, c.Plugins[at-1]))
			}
		}
	}
}

func unknownInChain(name string, plugins []string) string {
	if meant := suggest.Closest(name, plugins); meant != "" {
		return fmt.Sprintf("no plugin is named %q; did you mean %s?", name, meant)
	}
	return fmt.Sprintf("no plugin is named %q: want one of %s", name, strings.Join(plugins, ", "))
}

// ranks says which plugins come before which in chains.
type ranks struct {
	after  map[string][]string // by name: those that come directly after it in a chain
	of     map[string]int      // of a plugin: at least one more than that of any before it
	circle map[[2]string]bool  // pairs of neighbours of which the second comes before the first, too
}

func newRanks(chains []Chain) ranks {
	r := ranks{after: map[string][]string{}, of: map[string]int{}, circle: map[[2]string]bool{}}
	for _, c := range chains {
		for i := range len(c.Plugins) - 1 {
			r.after[c.Plugins[i]] = append(r.after[c.Plugins[i]], c.Plugins[i+1])
		}
	}
	for from, others := range r.after {
		for _, to := range others {
			r.circle[[2]string{from, to}] = r.reaches(to, from, map[string]bool{})
		}
	}
	for from := range r.after {
		r.raise(from, 0, len(r.after))
	}
	return r
}

func (r ranks) reaches(from, to string, seen map[string]bool) bool {
	if from == to {
		return true
	}
	seen[from] = true
	return slices.ContainsFunc(r.after[from], func(next string) bool { return !seen[next] && r.reaches(next, to, seen) })
}

// raise gives a plugin at least that rank, and those after it higher ones. No path is longer than steps unless it is a circle.
func (r ranks) raise(name string, rank, steps int) {
	if steps < 0 || rank > 0 && r.of[name] >= rank {
		return
	}
	r.of[name] = max(rank, r.of[name])
	for _, next := range r.after[name] {
		r.raise(next, r.of[name]+1, steps-1)
	}
}

// resolveChains checks the chains and cleans their routes. taken has the routes that are taken, by whose they are.
func resolveChains(chains []Chain, plugins []Plugin, taken map[string]string) ([]Chain, error) {
	var names []string
	for _, p := range plugins {
		names = append(names, p.Name)
	}
	var errs []error
	CheckChains(chains, names, func(i int, _ string, _ int, text string) {
		errs = append(errs, fmt.Errorf("chain of route %s: %s", chains[i].Route, text))
	})
	resolved := slices.Clone(chains)
	for i := range resolved {
		c := &resolved[i]
		var err error
		if c.Route, err = routes.Clean(c.Route); err != nil {
			continue // CheckChains has said so
		}
		if other, is := taken[c.Route]; is {
			errs = append(errs, fmt.Errorf("chain of route %s: the route is %s's already", c.Route, other))
		}
		taken[c.Route] = "another chain"
	}
	return resolved, errors.Join(errs...)
}

// chainStatus describes the chains, in the order of Options.
func (h *Host) chainStatus() (all []ChainStatus) {
	for _, c := range h.opts.Chains {
		all = append(all, ChainStatus(c))
	}
	return all
}
