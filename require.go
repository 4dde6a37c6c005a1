package sohost

import (
	"context"
	"fmt"
	"reflect"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/instance"
)

// Implements returns the type T, for whichever plugin. It is what to set Options.Require to if all plugins must implement one
// interface:
//
//	Require: sohost.Implements[contract.Pricer]
func Implements[T any](plugin string) reflect.Type { return reflect.TypeFor[T]() }

// required returns what the plugin's instances must implement, or nil for one of the usual handlers.
func (p *plugin) required() reflect.Type {
	if require := p.host.opts.Require; require != nil {
		return require(p.Name)
	}
	return nil
}

// checkRequire returns an error if what is required of a plugin isn't an interface.
func (o Options) checkRequire(plugin string) error {
	if o.Require == nil {
		return nil
	}
	if t := o.Require(plugin); t != nil && t.Kind() != reflect.Interface {
		return fmt.Errorf("plugin %s: Require demands %s, which is no interface", plugin, t)
	}
	return nil
}

// Call lends a plugin's current instance to fn as a T, most often an interface of a contract:
//
//	err := sohost.Call(ctx, host, "flat", func(p contract.Pricer) (err error) {
//		price, err = p.Price(ctx, order)
//		return err
//	})
//
// If the instance is no T, Call returns an ErrNotImplemented and doesn't call fn. In all else it does what Host.Call does.
func Call[T any](ctx context.Context, h *Host, plugin string, fn func(T) error) error {
	return h.Call(ctx, plugin, func(value abi.Instance) error {
		t, err := as[T](plugin, value)
		if err != nil {
			return err
		}
		return fn(t)
	})
}

// as returns the instance as a T. The error matches ErrNotImplemented, and says what the instance lacks.
func as[T any](plugin string, value abi.Instance) (T, error) {
	t, ok := value.(T)
	if !ok {
		return t, fmt.Errorf("plugin %s: %w; nothing was called", plugin, instance.Lacks(value, reflect.TypeFor[T]()))
	}
	return t, nil
}
