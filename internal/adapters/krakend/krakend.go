// Package krakend serves plugins that are written for KrakenD, that is, for its library lura: handlers, clients and modifiers. A plugin
// registers functions by name; an instance has one handler, made of all functions that its arguments name. The arguments are what
// stands in KrakenD's extra_config for the plugin.
package krakend

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/adapter"
)

// The variables that a plugin exports, as lura names them.
const (
	handlers  = "HandlerRegisterer"
	clients   = "ClientRegisterer"
	modifiers = "ModifierRegisterer"
)

// The functions that a plugin registers. These are aliases, because the plugin's types are its own and only the unnamed ones agree.
type (
	handlerFactory  = func(context.Context, map[string]any, http.Handler) (http.Handler, error)
	clientFactory   = func(context.Context, map[string]any) (http.Handler, error)
	modifier        = func(any) (any, error)
	modifierFactory = func(map[string]any) modifier
)

// What the variables implement.
type (
	handlerRegisterer interface {
		RegisterHandlers(func(name string, handler handlerFactory))
	}
	clientRegisterer interface {
		RegisterClients(func(name string, handler clientFactory))
	}
	modifierRegisterer interface {
		RegisterModifiers(func(name string, modifier modifierFactory, appliesToRequest, appliesToResponse bool))
	}
	loggerRegisterer interface {
		RegisterLogger(any)
	}
	contextRegisterer interface {
		RegisterContext(context.Context)
	}
)

// Adapter serves plugins for KrakenD. It implements adapter.Adapter.
type Adapter struct{}

// Name implements adapter.Adapter.
func (Adapter) Name() string { return "krakend" }

// Exports implements adapter.Adapter.
func (Adapter) Exports() []string { return []string{handlers, clients, modifiers} }

// Check implements adapter.Adapter. A plugin shares nothing but the standard library with KrakenD, so it may have any packages.
func (Adapter) Check([]string) (why, remedy string) { return "", "" }

// Describe implements adapter.Adapter.
func (Adapter) Describe(exported adapter.Exports) (*abi.Descriptor, error) {
	var p plugin
	for _, name := range (Adapter{}).Exports() {
		v, has := exported[name]
		if !has {
			continue
		}
		var ok bool
		want := ""
		switch name {
		case handlers:
			p.handlers, ok = v.(handlerRegisterer)
			want = "RegisterHandlers(func(string, func(context.Context, map[string]any, http.Handler) (http.Handler, error)))"
		case clients:
			p.clients, ok = v.(clientRegisterer)
			want = "RegisterClients(func(string, func(context.Context, map[string]any) (http.Handler, error)))"
		case modifiers:
			p.modifiers, ok = v.(modifierRegisterer)
			want = "RegisterModifiers(func(string, func(map[string]any) func(any) (any, error), bool, bool))"
		}
		if !ok {
			return nil, fmt.Errorf("%s is a %s, which has no method %s", name, strings.TrimPrefix(fmt.Sprintf("%T", v), "*"), want)
		}
		p.registerers = append(p.registerers, v)
	}
	if len(p.registerers) == 0 {
		return nil, fmt.Errorf("the plugin exports none of %s", strings.Join((Adapter{}).Exports(), ", "))
	}
	return &abi.Descriptor{ABI: abi.Version, New: p.new}, nil
}
