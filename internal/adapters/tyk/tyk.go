// Package tyk serves plugins that are written for Tyk: exported functions that look at a request before the backend gets it, or at a
// response before the client does. Those that use packages of Tyk's gateway, such as its session, are refused: the gateway isn't there.
package tyk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/adapter"
)

// The functions of a plugin.
type (
	requestFunc  = func(http.ResponseWriter, *http.Request)
	responseFunc = func(http.ResponseWriter, *http.Response, *http.Request)
)

// The arguments that name functions of a plugin.
const (
	requestArg  = "functions"
	responseArg = "response_functions"
)

// gateway is the module of Tyk's gateway.
const gateway = "github.com/TykTechnologies/tyk"

// offered says what the packages of the gateway are for that plugins use.
var offered = map[string]string{
	"ctx":    "the session and the API definition of a request",
	"user":   "sessions",
	"apidef": "API definitions",
	"log":    "the gateway's log; write to log/slog instead",
}

// Adapter serves plugins for Tyk. It implements adapter.Adapter.
type Adapter struct{}

// Name implements adapter.Adapter.
func (Adapter) Name() string { return "tyk" }

// Exports implements adapter.Adapter. A plugin's functions may have any names.
func (Adapter) Exports() []string { return nil }

// Check implements adapter.Adapter: it refuses packages of the gateway. Those that plugins import are named; all others come with them.
func (Adapter) Check(packages []string) (why, remedy string) {
	var all, used []string
	for _, p := range packages {
		if p != gateway && !strings.HasPrefix(p, gateway+"/") {
			continue
		}
		all = append(all, p)
		if what := offered[path.Base(p)]; what != "" {
			used = append(used, fmt.Sprintf("%s (%s)", p, what))
		}
	}
	if len(all) == 0 {
		return "", ""
	}
	return "it uses Tyk's gateway, which isn't there: " + cmp.Or(strings.Join(used, ", "), strings.Join(all, ", ")),
		"take the import out, or leave the plugin with Tyk"
}

// Describe implements adapter.Adapter.
func (Adapter) Describe(exported adapter.Exports) (*abi.Descriptor, error) {
	p := plugin{requests: functions[requestFunc](exported), responses: functions[responseFunc](exported)}
	if len(p.requests)+len(p.responses) == 0 {
		return nil, fmt.Errorf("the plugin exports no function of the form func(http.ResponseWriter, *http.Request) or "+
			"func(http.ResponseWriter, *http.Response, *http.Request); it exports %s", cmp.Or(strings.Join(exported.Names(), ", "), "nothing"))
	}
	return &abi.Descriptor{ABI: abi.Version, New: p.new}, nil
}

// functions returns the exported functions of one form.
func functions[F any](exported adapter.Exports) map[string]F {
	found := map[string]F{}
	for name, v := range exported {
		if f, ok := v.(F); ok {
			found[name] = f
		}
	}
	return found
}

// plugin is what an image exports.
type plugin struct {
	requests  map[string]requestFunc
	responses map[string]responseFunc
}

// new makes an instance of the functions that the arguments name.
func (p plugin) new(_ context.Context, host abi.Host) (abi.Instance, error) {
	args := adapter.Config(host)
	requests, err := chosen(args, requestArg, p.requests)
	responses, otherErr := chosen(args, responseArg, p.responses)
	if err := errors.Join(err, otherErr); err != nil {
		return nil, err
	}
	if len(requests)+len(responses) == 0 {
		return nil, fmt.Errorf("args.%s and args.%s name no function", requestArg, responseArg)
	}
	return adapter.NewMiddleware(func(next http.Handler) (http.Handler, error) {
		return &chain{requests: requests, responses: responses, next: next, log: host.Logger()}, nil
	})
}

// chosen returns the functions that an argument lists, in its order. Without the argument it is the one that there is; which of several
// is meant has to be said.
func chosen[F any](args map[string]any, arg string, there map[string]F) (list []F, err error) {
	all := make(adapter.Exports, len(there))
	for name, f := range there {
		all[name] = f
	}
	given, has := args[arg]
	if !has {
		if len(there) > 1 {
			return nil, fmt.Errorf("the plugin has several functions: set args.%s to a list of the ones to call, of %s", arg, strings.Join(all.Names(), ", "))
		}
		for _, f := range there {
			list = append(list, f)
		}
		return list, nil
	}
	names, err := adapter.Strings(given)
	if err != nil {
		return nil, fmt.Errorf("args.%s: %w", arg, err)
	}
	for _, name := range names {
		f, ok := there[name]
		if !ok {
			return nil, fmt.Errorf("args.%s has %s, which the plugin doesn't export in that form: it has %s", arg, name,
				cmp.Or(strings.Join(all.Names(), ", "), "none"))
		}
		list = append(list, f)
	}
	return list, nil
}
