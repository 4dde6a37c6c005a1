package sohost

import (
	"context"
	"errors"
	"log/slog"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
)

// offer is the abi.Host of one instance.
type offer struct {
	host   *Host
	plugin *plugin
	label  string
	log    *slog.Logger
}

func (h *Host) offer(p *plugin, id generations.ID) abi.Host {
	return &offer{host: h, plugin: p, label: id.Short(), log: h.log.With("plugin", p.name, "generation", id.Short())}
}

func (o *offer) Plugin() string          { return o.plugin.name }
func (o *offer) Generation() string      { return o.label }
func (o *offer) Args() map[string]string { return o.plugin.args() }
func (o *offer) Logger() *slog.Logger    { return o.log }
func (o *offer) Cache() abi.Cache        { return o.plugin.cache }
func (o *offer) SharedCache() abi.Cache  { return o.host.shared }

func (o *offer) Emit(ctx context.Context, points []abi.Point) error {
	if o.host.opts.Emit == nil {
		return errors.New("this host has nowhere to put points")
	}
	return o.host.opts.Emit(ctx, o.plugin.name, points)
}
