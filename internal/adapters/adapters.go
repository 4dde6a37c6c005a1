// Package adapters has the APIs besides sohost's own whose plugins a host serves, and tells of which API an image is.
package adapters

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/adapter"
	"github.com/sohost/sohost/internal/adapters/krakend"
	"github.com/sohost/sohost/internal/adapters/traefik"
	"github.com/sohost/sohost/internal/adapters/tyk"
	"github.com/sohost/sohost/native"
)

// Own is the name of sohost's own API.
const Own = "sohost"

// ErrAPI is returned when an image is of an API that this program doesn't know, or of another one than its plugin is configured for.
var ErrAPI = errors.New("another plugin API")

// all are the adapters, in the order in which images are tried.
var all = []adapter.Adapter{krakend.Adapter{}, traefik.Adapter{}, tyk.Adapter{}}

// Names returns the names of all APIs, sohost's own first.
func Names() []string {
	names := []string{Own}
	for _, a := range all {
		names = append(names, a.Name())
	}
	return names
}

// Valid returns an error unless there is an API of that name.
func Valid(name string) error {
	if slices.Contains(Names(), name) {
		return nil
	}
	return fmt.Errorf("%w: there is no %q: want one of %s", ErrAPI, name, strings.Join(Names(), ", "))
}

// Named returns the adapter of an API, or nil for sohost's own and for one that doesn't exist.
func Named(name string) adapter.Adapter {
	if i := slices.IndexFunc(all, func(a adapter.Adapter) bool { return a.Name() == name }); i >= 0 {
		return all[i]
	}
	return nil
}

// Claimed returns the name of the API that a plugin with those exported symbols is of. What exports a Descriptor is a plugin of
// sohost's, whatever else it exports. It is "" if no symbol tells.
func Claimed(symbols []string) string {
	if slices.Contains(symbols, abi.Symbol) {
		return Own
	}
	for _, a := range all {
		if slices.ContainsFunc(a.Exports(), func(s string) bool { return slices.Contains(symbols, s) }) {
			return a.Name()
		}
	}
	return ""
}

// Of returns the name of an image's API: the one it was built for, or else the one that its symbols tell. It is "" if nothing tells.
func Of(image *native.Info) string {
	if image.Seal != nil && image.Seal.API != "" {
		return image.Seal.API
	}
	return Claimed(image.Symbols)
}

// Check does what native.Check does, with what the image's API requires. If want isn't empty, it must be that API.
func Check(image *native.Info, want string, process *native.Process) error {
	api := Of(image)
	a := Named(api)
	requirements := native.Requirements{}
	if a == nil {
		requirements = native.Requirements{Symbol: abi.Symbol, Shared: []string{"github.com/sohost/sohost/abi"}}
	}
	var reasons []native.Reason
	err := explained(native.Check(image, process, requirements), api)
	if rejection := (*native.Rejection)(nil); errors.As(err, &rejection) {
		reasons = rejection.Reasons
	} else if err != nil {
		return err
	}
	if want != "" && api != "" && api != want {
		reasons = append(reasons, native.Reason{Code: native.UnsupportedAPI, Subject: "api", Want: want, Found: api,
			Remedy: fmt.Sprintf("set api = %q, or build the plugin for the other one with `sohost build --api %s`", api, want)})
	}
	if a != nil {
		if why, remedy := a.Check(image.Sources()); why != "" {
			reasons = append(reasons, native.Reason{Code: native.UnsupportedAPI, Subject: api + ": " + why, Remedy: remedy})
		}
	}
	if len(reasons) == 0 {
		return nil
	}
	return &native.Rejection{Reasons: reasons}
}

// explained adds to a missing descriptor what else may be meant.
func explained(err error, api string) error {
	var rejection *native.Rejection
	if !errors.As(err, &rejection) {
		return err
	}
	for i, r := range rejection.Reasons {
		if r.Code != native.NoSymbol {
			continue
		}
		if api != "" {
			rejection.Reasons[i] = native.Reason{Code: native.UnsupportedAPI, Subject: api, Want: strings.Join(Names(), ", "), Found: api,
				Remedy: "use a server that knows that API, or build the plugin for one of these with `sohost build --api`"}
			continue
		}
		rejection.Reasons[i].Remedy += "; if it is written for another API, build it with `sohost build --api`"
	}
	return err
}

// Describe makes the descriptor of an opened image.
func Describe(image *native.Image) (*abi.Descriptor, error) {
	a := Named(Of(image.Info()))
	if a == nil {
		descriptor, err := native.Lookup[abi.Descriptor](image, abi.Symbol)
		if err != nil {
			return nil, fmt.Errorf("%w; export it as `var %s = abi.Descriptor{…}`", err, abi.Symbol)
		}
		return descriptor, nil
	}
	exported := adapter.Exports{}
	for _, name := range image.Info().Symbols {
		if v, err := image.Symbol(name); err == nil {
			exported[name] = v
		}
	}
	d, err := a.Describe(exported)
	if err != nil {
		return nil, fmt.Errorf("plugin of the API %s: %w", a.Name(), err)
	}
	return d, nil
}
