package sohost

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/cache"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/watch"
)

// plugin is one plugin of the host through all its generations.
type plugin struct {
	Plugin
	host  *Host
	slot  *generations.Slot[*loaded]
	cache *cache.Cache

	// owner holds one token. Only who has it may change what the slot serves, and use what follows. Of several plugins the tokens
	// are taken in the order of names.
	owner     chan struct{}
	stash     *stash         // see stash
	fileImage generations.ID // what the plugin's own file held when it was last read; zero if it never was

	changed wake // the image may have changed

	mu      sync.Mutex // guards what follows
	refused *Refusal   // why the newest image was not taken; nil after a success
	last    *Move      // the last reload
	old     []*generations.Generation[*loaded]
	watched *watch.Target // nil in Prod mode
}

// loaded is an instance with what the host knows of it. It is what a slot serves.
type loaded struct {
	*instance.Instance
	id    generations.ID
	label string // id, short
	since time.Time

	// skipped is the image that the plugin's own file held when this one took its place in a rollback, or came from another file; zero
	// if there is none. A mere change of the file doesn't load that image.
	skipped generations.ID
}

func byName(a, b *plugin) int { return cmp.Compare(a.Name, b.Name) }

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

// ownOpen is own, and waits no longer than until the host is closed, which then keeps the token.
func (p *plugin) ownOpen(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(p.host.lifetime, func() { cancel(p.host.Serving()) })()
	if err := p.own(ctx); err != nil {
		return fmt.Errorf("plugin %s: %w", p.Name, err)
	}
	return nil
}

// args returns the plugin's arguments in a map that the caller may write to.
func (p *plugin) args() map[string]string {
	args := map[string]string{}
	maps.Copy(args, p.Args)
	return args
}

// serving returns the generation that the slot serves, or nil.
func (p *plugin) serving() *generations.Generation[*loaded] { return p.slot.Current() }

// servingID returns the image that the slot serves; the zero ID stands for none.
func (p *plugin) servingID() generations.ID {
	if g := p.serving(); g != nil {
		return g.Value().id
	}
	return generations.ID{}
}

// uses reports whether an instance of the plugin that is not retired comes from the image with that path.
func (p *plugin) uses(path string) bool {
	if g := p.serving(); g != nil && g.Value().Image().Path() == path {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.old {
		if g.Value().Image().Path() == path {
			return true
		}
	}
	return false
}

// refusal returns why the newest image was not taken, or nil.
func (p *plugin) refusal() *Refusal {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused
}

// setRefusal replaces the newest refusal; nil is none.
func (p *plugin) setRefusal(r *Refusal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused = r
}

// noteSuccess records a reload that went well.
func (p *plugin) noteSuccess(m Move) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused = nil
	if !m.Unchanged {
		m = m.clone() // the caller of a reload has the other
		p.last = &m
	}
}
