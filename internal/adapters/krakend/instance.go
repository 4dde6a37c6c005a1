package krakend

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/adapter"
)

// plugin is what an image exports.
type plugin struct {
	registerers []any // those below that there are
	handlers    handlerRegisterer
	clients     clientRegisterer
	modifiers   modifierRegisterer
}

// registered are the functions that a plugin has registered, each kind in the order of the registrations.
type registered struct {
	handlers  []named[handlerFactory]
	clients   []named[clientFactory]
	modifiers []named[modifierEntry]
}

type named[T any] struct {
	name string
	of   T
}

type modifierEntry struct {
	factory           modifierFactory
	request, response bool
}

// front is an instance that stands before what comes next in a chain.
type front struct {
	*adapter.Middleware
	adapter.Closer
}

// end is an instance that answers all requests itself, as its client stands for the backend.
type end struct {
	http.Handler
	adapter.Closer
}

// new makes an instance. It runs the plugin's registration, which stores logger and context in the plugin's own variables.
func (p plugin) new(_ context.Context, host abi.Host) (in abi.Instance, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer func() {
		if in == nil {
			cancel()
		}
	}()
	extra := adapter.Config(host)
	chosen, err := p.register(ctx, host).choose(extra)
	if err != nil {
		return nil, err
	}
	if len(chosen.clients) > 0 {
		handler, err := chosen.handler(ctx, extra, nil, host)
		if err != nil {
			return nil, err
		}
		return end{handler, adapter.Closer(cancel)}, nil
	}
	m, err := adapter.NewMiddleware(func(next http.Handler) (http.Handler, error) { return chosen.handler(ctx, extra, next, host) })
	if err != nil {
		return nil, err
	}
	return front{m, adapter.Closer(cancel)}, nil
}

// register lets the plugin register its functions.
func (p plugin) register(ctx context.Context, host abi.Host) *registered {
	for _, v := range p.registerers {
		if l, ok := v.(loggerRegisterer); ok {
			l.RegisterLogger(logger{host.Logger()})
		}
		if c, ok := v.(contextRegisterer); ok {
			c.RegisterContext(ctx)
		}
	}
	r := &registered{}
	if p.handlers != nil {
		p.handlers.RegisterHandlers(func(name string, f handlerFactory) {
			r.handlers = append(r.handlers, named[handlerFactory]{name, f})
		})
	}
	if p.clients != nil {
		p.clients.RegisterClients(func(name string, f clientFactory) {
			r.clients = append(r.clients, named[clientFactory]{name, f})
		})
	}
	if p.modifiers != nil {
		p.modifiers.RegisterModifiers(func(name string, f modifierFactory, request, response bool) {
			r.modifiers = append(r.modifiers, named[modifierEntry]{name, modifierEntry{f, request, response}})
		})
	}
	return r
}

// choose returns those functions that the argument name lists, in that order; without the argument, all.
func (r *registered) choose(extra map[string]any) (*registered, error) {
	chosen := r
	if given, has := extra["name"]; has {
		names, err := adapter.Strings(given)
		if err != nil {
			return nil, fmt.Errorf("args.name: %w", err)
		}
		chosen = &registered{pick(r.handlers, names), pick(r.clients, names), pick(r.modifiers, names)}
		if unknown := slices.DeleteFunc(names, func(n string) bool { return slices.Contains(chosen.names(), n) }); len(unknown) > 0 {
			return nil, fmt.Errorf("args.name has %s, but the plugin registers %s", strings.Join(unknown, ", "), strings.Join(r.names(), ", "))
		}
	}
	if len(chosen.clients) > 1 {
		return nil, fmt.Errorf("the plugin registers several clients, and only one can take the place of the backend: "+
			"set args.name to one of %s", strings.Join(r.names(), ", "))
	}
	if len(chosen.names()) == 0 {
		return nil, errors.New("the plugin registers nothing")
	}
	return chosen, nil
}

// pick returns those of the list that are named, in the order of the names.
func pick[T any](list []named[T], names []string) (picked []named[T]) {
	for _, name := range names {
		for _, n := range list {
			if n.name == name {
				picked = append(picked, n)
			}
		}
	}
	return picked
}

// names returns all names once, in the order of the registrations.
func (r *registered) names() (names []string) {
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, n := range r.handlers {
		add(n.name)
	}
	for _, n := range r.clients {
		add(n.name)
	}
	for _, n := range r.modifiers {
		add(n.name)
	}
	return names
}

// handler makes one handler of all functions: handlers around modifiers around the client, or around next if there is none.
func (r *registered) handler(ctx context.Context, extra map[string]any, next http.Handler, host abi.Host) (http.Handler, error) {
	for _, c := range r.clients {
		client, err := c.of(ctx, with(extra, c.name)) // a client finds its one name as a string
		if err == nil && client == nil {
			err = errors.New("it returned no handler")
		}
		if err != nil {
			return nil, fmt.Errorf("client %s: %w", c.name, err)
		}
		next = client
	}
	if extra["name"] == nil {
		all := []any{}
		for _, name := range r.names() {
			all = append(all, name)
		}
		extra = with(extra, all)
	}
	if len(r.modifiers) > 0 {
		next = newModified(r.modifiers, extra, next, host.Logger())
	}
	for _, h := range r.handlers { // as in KrakenD the last one is the outermost
		handler, err := h.of(ctx, extra, next)
		if err == nil && handler == nil {
			err = errors.New("it returned no handler")
		}
		if err != nil {
			return nil, fmt.Errorf("handler %s: %w", h.name, err)
		}
		next = handler
	}
	return next, nil
}

// with returns the arguments with another name.
func with(extra map[string]any, name any) map[string]any {
	extra = maps.Clone(extra)
	extra["name"] = name
	return extra
}
