package sohost

import (
	"context"
	"errors"
	"log/slog"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/adapter"
)

// pluginHost is the abi.Host that one instance is given. Host is the other side: it loads the plugins.
type pluginHost struct {
	plugin *plugin
	label  string
	log    *slog.Logger
}

func newPluginHost(p *plugin, id generations.ID) abi.Host {
	return &pluginHost{plugin: p, label: id.Short(), log: p.host.log.With("plugin", p.Name, "generation", id.Short())}
}

func (o *pluginHost) Plugin() string          { return o.plugin.Name }
func (o *pluginHost) Generation() string      { return o.label }
func (o *pluginHost) Args() map[string]string { return o.plugin.args() }
func (o *pluginHost) Config() map[string]any  { return adapter.Typed(o.plugin.Args, o.plugin.Values) }
func (o *pluginHost) Logger() *slog.Logger    { return o.log }
func (o *pluginHost) Cache() abi.Cache        { return o.plugin.cache }
func (o *pluginHost) SharedCache() abi.Cache  { return o.plugin.host.sharedCache }

func (o *pluginHost) Services() any {
	if services := o.plugin.host.opts.Services; services != nil {
		return services(o.plugin.Name)
	}
	return nil
}

// Go is never called: each instance has its own.
func (o *pluginHost) Go(func(context.Context)) bool { return false }

func (o *pluginHost) Emit(ctx context.Context, tables []abi.Table) error {
	emit := o.plugin.host.opts.Emit
	if emit == nil {
		return errors.New("this host has nowhere to put rows")
	}
	return emit(ctx, o.plugin.Name, tables)
}

func (o *pluginHost) Query(ctx context.Context, q abi.Query) ([]abi.Table, error) {
	query := o.plugin.host.opts.Query
	if query == nil {
		return nil, errors.New("this host has no database to ask")
	}
	return query(ctx, o.plugin.Name, q)
}
