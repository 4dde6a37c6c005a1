// Package traefik serves middleware plugins that are written for Traefik, which interprets them. Such a plugin is a library; `sohost build`
// compiles it with a package main that exports it (package wrap).
package traefik

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/go-viper/mapstructure/v2"
	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/adapter"
)

// Symbol is the variable that the generated package main exports.
const Symbol = "SohostTraefik"

// Plugin is what that variable holds. It is an alias of an unnamed type, which the generated package has as well.
type Plugin = struct {
	// CreateConfig returns the plugin's configuration with its defaults, a pointer.
	CreateConfig func() any

	// New makes the middleware before next. config is what CreateConfig has returned.
	New func(ctx context.Context, next http.Handler, config any, name string) (http.Handler, error)

	// TestData is the configuration in the plugin's .traefik.yml, as JSON, or "".
	TestData string
}

// Adapter serves middleware plugins for Traefik. It implements adapter.Adapter.
type Adapter struct{}

// Name implements adapter.Adapter.
func (Adapter) Name() string { return "traefik" }

// Exports implements adapter.Adapter.
func (Adapter) Exports() []string { return []string{Symbol} }

// Check implements adapter.Adapter. Plugins share nothing but the standard library with Traefik.
func (Adapter) Check([]string) (why, remedy string) { return "", "" }

// Describe implements adapter.Adapter.
func (Adapter) Describe(exported adapter.Exports) (*abi.Descriptor, error) {
	p, ok := exported[Symbol].(*Plugin)
	if !ok {
		return nil, fmt.Errorf("%s is a %T: build the plugin with the `sohost build` of this server", Symbol, exported[Symbol])
	}
	return &abi.Descriptor{ABI: abi.Version, New: func(_ context.Context, host abi.Host) (abi.Instance, error) {
		return newInstance(p, host)
	}}, nil
}

// instance is one instance of a plugin.
type instance struct {
	*adapter.Middleware
	adapter.Closer
}

// newInstance makes the middleware once. Its context ends with the instance.
func newInstance(p *Plugin, host abi.Host) (in abi.Instance, err error) {
	config := p.CreateConfig()
	args, err := arguments(p, host)
	if err != nil {
		return nil, err
	}
	if err := decode(args, config); err != nil {
		return nil, fmt.Errorf("args: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer func() {
		if in == nil { // after a panic, too
			cancel()
		}
	}()
	m, err := adapter.NewMiddleware(func(next http.Handler) (http.Handler, error) {
		h, err := p.New(ctx, next, config, host.Plugin())
		if err == nil && h == nil {
			err = errors.New("its New returned no handler")
		}
		return h, err
	})
	if err != nil {
		return nil, err
	}
	return instance{m, adapter.Closer(cancel)}, nil
}

// arguments returns the plugin's arguments, or, if there are none, those that its author has given as an example.
func arguments(p *Plugin, host abi.Host) (map[string]any, error) {
	args := adapter.Config(host)
	if len(args) > 0 || p.TestData == "" {
		return args, nil
	}
	if err := json.Unmarshal([]byte(p.TestData), &args); err != nil {
		return nil, fmt.Errorf("testData in .traefik.yml: %w", err)
	}
	host.Logger().Info("no args: the plugin has the testData of its .traefik.yml")
	return args, nil
}

// decode puts arguments into a configuration as Traefik does: names match whatever their case, texts become numbers and booleans, and a
// text with commas becomes a list. Unlike there, an argument that the configuration lacks is an error.
func decode(args map[string]any, config any) error {
	d, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result: config, WeaklyTypedInput: true, ErrorUnused: true, DecodeHook: mapstructure.StringToSliceHookFunc(","),
	})
	if err != nil {
		return err
	}
	return d.Decode(args)
}
