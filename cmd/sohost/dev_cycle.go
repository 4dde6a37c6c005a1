package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/build"
	"github.com/sohost/sohost/internal/server/control"
)

// cycle is one build of a plugin and its deployment.
type cycle struct {
	Time   time.Time     `json:"time"`
	Plugin string        `json:"plugin"`
	Image  string        `json:"image,omitempty"` // absent if the build failed
	Build  time.Duration `json:"build_ns"`
	Reload *sohost.Move  `json:"reload,omitempty"`  // absent if the image doesn't serve
	Live   time.Duration `json:"live_ns,omitempty"` // from the save until the image served; absent for the first cycle
	Error  string        `json:"error,omitempty"`

	Noticed time.Duration `json:"noticed_ns,omitempty"` // from the save until it was noticed
	Watch   time.Duration `json:"sources_ns,omitempty"` // to find out what to watch
	Phases  []build.Phase `json:"phases,omitempty"`     // of the build
	Deploy  time.Duration `json:"deploy_ns,omitempty"`  // until the server has answered
}

// cycle builds the plugin and deploys it. saved is zero in the first cycle.
func (d *developer) cycle(ctx context.Context, saved save) cycle {
	begin := time.Now()
	result, err := build.Build(ctx, d.options)
	c := cycle{Time: time.Now(), Plugin: d.plugin(), Build: time.Since(begin)}
	if !saved.at.IsZero() {
		c.Noticed, c.Watch = saved.noticed.Sub(saved.at), begin.Sub(saved.noticed)
	}
	if err != nil {
		c.Error = whyNotBuilt(err)
		d.client.Built(ctx, control.BuildReport{Plugin: c.Plugin, Error: c.Error, Took: c.Build, Messages: messages(err)}) // without a server nobody reads it
		return c
	}
	c.Image, c.Phases = result.Image[:12], result.Phases
	d.client.Built(ctx, control.BuildReport{Plugin: c.Plugin, Image: result.Image, Took: c.Build})
	if d.deploying != nil {
		d.deploying()
	}
	move, err := d.deploy(ctx, c.Plugin, result)
	c.Deploy = time.Since(c.Time)
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
		if !saved.at.IsZero() {
			c.Live = time.Since(saved.at)
		}
	}
	return c
}

func whyNotBuilt(err error) string {
	var ce *build.CompileError
	if errors.As(err, &ce) {
		return complaints(ce)
	}
	return err.Error()
}

// messages returns those of the compiler, if they are why a build failed.
func messages(err error) (all []control.BuildMessage) {
	var ce *build.CompileError
	if errors.As(err, &ce) {
		for _, d := range ce.Diagnostics() {
			all = append(all, control.BuildMessage(d))
		}
	}
	return all
}

// deploy makes the server serve the image. The server may already have noticed the changed file.
func (d *developer) deploy(ctx context.Context, plugin string, image *build.Result) (*sohost.Move, error) {
	r, err := d.client.Deploy(ctx, control.DeployRequest{
		Images: map[string]string{plugin: image.Output}, LoseState: d.loseState})
	if errors.Is(err, sohost.ErrUnknownPlugin) {
		// A server soon adds a plugin for a file that appears in its plugins directory.
		if move := d.awaitNew(ctx, plugin, image); move != nil {
			return move, nil
		}
		return nil, fmt.Errorf("%w; to add it as a new plugin, write %s.so into the server's plugins directory", err, plugin)
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

// A server gets newPluginWait to add a plugin that it didn't have. Meanwhile its status is read every newPluginPoll.
const (
	newPluginWait = 5 * time.Second
	newPluginPoll = 20 * time.Millisecond
)

func (d *developer) awaitNew(ctx context.Context, plugin string, image *build.Result) *sohost.Move {
	ctx, cancel := context.WithTimeout(ctx, newPluginWait)
	defer cancel()
	tick := time.NewTicker(newPluginPoll)
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

// lastMove returns the plugin's last reload if that loaded the image.
func (d *developer) lastMove(ctx context.Context, plugin string, image *build.Result) *sohost.Move {
	s, err := d.client.Brief(ctx)
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
