package sohost

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/cache"
	"github.com/sohost/sohost/internal/watch"
	"github.com/sohost/sohost/native"
)

// plugin is one plugin of the host through all its generations.
type plugin struct {
	Plugin
	name  string
	slot  *generations.Slot[*live]
	cache *cache.Cache

	// These belong to the owner.
	kept *kept
	held generations.ID // what the plugin's own file held when it was last read; zero if it never was

	// owner holds one token. Who has it is the only one that may change what the slot serves.
	owner chan struct{}

	changed signal // raised when the image may have changed

	mu      sync.Mutex // guards what follows
	refused *Refusal   // why the newest image was not taken; nil after a success
	last    *Move      // the last reload
	old     []*generations.Generation[*live]
	watched *watch.Target // nil in Prod mode
}

func byName(a, b *plugin) int { return cmp.Compare(a.name, b.name) }

// live is one instance of a plugin with the image that its code comes from.
type live struct {
	id         generations.ID
	label      string // id, short
	image      *native.Image
	descriptor *abi.Descriptor
	instance   abi.Instance
	started    bool // Start has returned nil and Stop was not called since
	stopped    bool // Stop was called for the state's sake: Start is due again if this instance goes on
	since      time.Time

	passedOver generations.ID // see target
}

// own waits for the plugin's owner token. One at hand is taken even when ctx has ended.
func (p *plugin) own(ctx context.Context) error {
	select {
	case <-p.owner:
		return nil
	default:
	}
	select {
	case <-p.owner:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("another deploy is under way: %w", context.Cause(ctx))
	}
}

func (p *plugin) disown() { p.owner <- struct{}{} }

// args are the plugin's arguments, in a map that the caller may write to.
func (p *plugin) args() map[string]string {
	args := map[string]string{}
	maps.Copy(args, p.Args)
	return args
}

// current is the generation that the slot serves, or nil.
func (p *plugin) current() *generations.Generation[*live] { return p.slot.Current() }

// currentID is the image that the slot serves; the zero ID stands for none.
func (p *plugin) currentID() generations.ID {
	if g := p.current(); g != nil {
		return g.Value().id
	}
	return generations.ID{}
}

// start calls Start if the instance has it.
func (l *live) start(ctx context.Context) error {
	s, ok := l.instance.(abi.Starter)
	if !ok || l.started {
		return nil
	}
	if err := guard(ctx, "Start", s.Start); err != nil {
		return err
	}
	l.started = true
	return nil
}

// pause stops the background work so that the state doesn't change while it is taken.
func (l *live) pause(ctx context.Context) error {
	l.stopped = l.stopped || l.started
	return l.stop(ctx)
}

// stop calls Stop if Start was called.
func (l *live) stop(ctx context.Context) error {
	if !l.started {
		return nil
	}
	l.started = false
	return guard(ctx, "Stop", l.instance.(abi.Starter).Stop)
}

// close calls Close if the instance has it.
func (l *live) close(ctx context.Context) error {
	c, ok := l.instance.(io.Closer)
	if !ok {
		return nil
	}
	return guard(ctx, "Close", func(context.Context) error { return c.Close() })
}
