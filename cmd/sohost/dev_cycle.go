package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/build"
	"github.com/sohost/sohost/internal/server/control"
)

// cycle is one way of a plugin from its source into the server.
type cycle struct {
	Time   time.Time     `json:"time"`
	Plugin string        `json:"plugin"`
	Image  string        `json:"image,omitempty"` // absent if it was not built
	Build  time.Duration `json:"build_ns"`
	Reload *sohost.Move  `json:"reload,omitempty"`  // absent if it doesn't serve
	Live   time.Duration `json:"live_ns,omitempty"` // from the save until it served; absent for the first
	Error  string        `json:"error,omitempty"`
}

// cycle builds the plugin and brings it into the server. saved is zero for the first time.
func (d *developer) cycle(ctx context.Context, saved time.Time) cycle {
	begin := time.Now()
	result, err := build.Build(ctx, d.options)
	c := cycle{Time: time.Now(), Plugin: d.name, Build: time.Since(begin)}
	if c.Plugin == "" {
		c.Plugin = imageName(d.options.Package)
	}
	if err != nil {
		c.Error = notBuilt(err)
		return c
	}
	c.Image = result.Image[:12]
	if d.name == "" {
		c.Plugin = strings.TrimSuffix(filepath.Base(result.Output), ".so")
	}
	move, err := d.deploy(ctx, c.Plugin, result)
	c.Time = time.Now()
	var refused *control.Failure
	switch {
	case isNoServer(err):
		c.Error = fmt.Sprintf("not deployed: %v", err)
	case errors.As(err, &refused):
		c.Error = fmt.Sprintf("not deployed: %s", refused.Message)
	case err != nil:
		c.Error = err.Error()
	default:
		c.Reload = move
		if !saved.IsZero() {
			c.Live = time.Since(saved)
		}
	}
	return c
}

func notBuilt(err error) string {
	var ce *build.CompileError
	if errors.As(err, &ce) {
		return complaints(ce)
	}
	return err.Error()
}

// deploy makes the server serve the image, which it may have noticed by itself already.
func (d *developer) deploy(ctx context.Context, plugin string, image *build.Result) (*sohost.Move, error) {
	r, err := d.client.Deploy(ctx, control.DeployRequest{Images: map[string]string{plugin: image.Output}})
	var refused *control.Failure
	if errors.As(err, &refused) && refused.Refusal == nil && strings.Contains(refused.Message, sohost.ErrUnknownPlugin.Error()) {
		// A server takes a file that appears in its plugins directory for a new plugin, in a moment.
		if move := d.awaitNew(ctx, plugin, image); move != nil {
			return move, nil
		}
		return nil, fmt.Errorf("%w; the server takes %s.so up as a new plugin when it lies in its plugins directory", err, plugin)
	}
	if err != nil {
		return nil, err
	}
	move := r.Moves[0]
	if move.Unchanged && image.Changed {
		if own := d.lastMove(ctx, plugin, image); own != nil {
			return own, nil
		}
	}
	return &move, nil
}

// newPluginWait is how long a server gets to take up a plugin that it didn't have.
const newPluginWait = 5 * time.Second

func (d *developer) awaitNew(ctx context.Context, plugin string, image *build.Result) *sohost.Move {
	ctx, cancel := context.WithTimeout(ctx, newPluginWait)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if move := d.lastMove(ctx, plugin, image); move != nil {
			return move
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// lastMove is the plugin's last reload if it brought the image.
func (d *developer) lastMove(ctx context.Context, plugin string, image *build.Result) *sohost.Move {
	s, err := d.client.Status(ctx)
	if err != nil {
		return nil
	}
	for _, p := range s.Plugins {
		if p.Name == plugin && p.Last != nil && p.Last.To.String() == image.Image {
			return p.Last
		}
	}
	return nil
}
