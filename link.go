package sohost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/backend"
	"github.com/sohost/sohost/internal/instance"
)

// link is a plugin's place in a chain, through all its generations. Each request leases the generation that serves when it gets there,
// and until that has answered.
type link struct {
	plugin *plugin // set when the plugin is added
	route  string
	before []string     // the plugins that come before it, in order
	next   http.Handler // the link after it, or the backend; nil if it is the end
}

// chains are all links. The maps are only read once they are made.
type chains struct {
	of     map[string][]*link // by the plugin
	ranks  map[string]int
	places map[string]*link
}

// newChains makes the links of chains that resolveChains has accepted.
func newChains(given []Chain, log *slog.Logger) chains {
	all := chains{of: map[string][]*link{}, ranks: newRanks(given).of, places: map[string]*link{}}
	for _, c := range given {
		var next http.Handler
		if to, err := backend.Parse(c.Backend); err == nil { // "" is no URL
			next = backend.New(to, log)
		}
		for at, name := range slices.Backward(c.Plugins) {
			l := &link{route: c.Route, before: c.Plugins[:at], next: next}
			all.of[name] = append(all.of[name], l)
			all.places[l.place()] = l
			next = l
		}
	}
	return all
}

// join gives a new plugin its places, and routes those at the beginning of a chain. Host.adding is held.
func (c *chains) join(p *plugin) {
	p.links, p.rank = c.of[p.Name], c.ranks[p.Name]
	table := p.host.table.Load()
	for _, l := range p.links {
		l.plugin = p
		if len(l.before) == 0 {
			table = table.WithRoute(l.route, p, routeNote{chain: l})
		}
	}
	p.host.table.Store(table)
}

// wrap returns what an instance serves at the plugin's places.
func (p *plugin) wrap(ctx context.Context, in *instance.Instance) (map[*link]http.Handler, error) {
	chained := make(map[*link]http.Handler, len(p.links))
	var errs []error
	for _, l := range p.links {
		var err error
		if l.next != nil {
			chained[l], err = in.Wrap(ctx, l.next)
		} else if chained[l] = in.Handler(); chained[l] == nil {
			err = fmt.Errorf("%w: %T is no http.Handler, so it can't be the last; put a plugin after it, or name a backend",
				instance.ErrNoMiddleware, in.Value())
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("chain of route %s: %w", l.route, err))
		}
	}
	return chained, errors.Join(errs...)
}

// ServeHTTP passes a request to the plugin, or after a handover to the same place in the process that has it.
func (l *link) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := l.plugin
	lease, err := p.acquire(r)
	if err != nil {
		forward := p.host.forwardTo()
		if forward == nil || !errors.Is(err, generations.ErrEmpty) {
			p.unavailable(w, err)
			return
		}
		if len(l.before) > 0 {
			r = r.WithContext(context.WithValue(r.Context(), placeKey{}, l.place()))
		}
		forward.ServeHTTP(w, r)
		return
	}
	defer lease.Release()
	in := lease.Value()
	w.Header().Add(GenerationHeader, in.label)
	p.handle(w, r, in, in.chained[l])
}

// placeKey is the key of a request's context for the place that it has reached in a chain.
type placeKey struct{}

// place names the place by what comes before it, and not by a number: if a handover changes the chain, a request that has passed certain
// plugins goes on where just these come before, or nowhere. Otherwise it could miss one of the new chain.
func (l *link) place() string { return strings.Join(l.before, ",") + " " + l.route }

// ChainPlace returns how far a request that GiveOptions.Forward gets has come in a chain, for ServeFrom of the host that it is forwarded
// to; it is empty for one that begins. It is text for a header. It is for supervisors only.
func ChainPlace(r *http.Request) string {
	place, _ := r.Context().Value(placeKey{}).(string)
	return place
}

// ServeFrom is ServeHTTP for a request that another host has forwarded from a place in a chain: the plugins before it have had the
// request. It answers 503 if there is no such place, as after a change of the chain. It is for supervisors only.
func (h *Host) ServeFrom(place string, w http.ResponseWriter, r *http.Request) {
	l := h.chains.places[place]
	if l == nil || l.plugin == nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the chain of this request has changed while it ran; try again", http.StatusServiceUnavailable)
		return
	}
	l.ServeHTTP(w, r)
}

// waves groups what belongs to plugins so that each comes in a later group than all that come before it in a chain.
func waves[T any](all []T, of func(T) *plugin) (groups [][]T) {
	sorted := slices.SortedStableFunc(slices.Values(all), func(x, y T) int { return cmp.Compare(of(x).rank, of(y).rank) })
	for i, one := range sorted {
		if i == 0 || of(one).rank != of(sorted[i-1]).rank {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], one)
	}
	return groups
}
