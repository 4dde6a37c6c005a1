package sohost

import (
	"context"
	"errors"
	"log/slog"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
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
func (o *pluginHost) Logger() *slog.Logger    { return o.log }
func (o *pluginHost) Cache() abi.Cache        { return o.plugin.cache }
func (o *pluginHost) SharedCache() abi.Cache  { return o.plugin.host.sharedCache }

func (o *pluginHost) Services() any {
	if services := o.plugin.host.opts.Services; services != nil {
		return services(o.plugin.Name)
	}
	return nil
}

func (o *pluginHost) Emit(ctx context.Context, points []abi.Point) error {
	emit := o.plugin.host.opts.Emit
	if emit == nil {
		return errors.New("this host has nowhere to put points")
	}
	return emit(ctx, o.plugin.Name, points)
}
