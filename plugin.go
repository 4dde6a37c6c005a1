package sohost

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/adapter"
	"github.com/sohost/sohost/internal/cache"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/watch"
)

// plugin is one plugin of the host through all its generations.
//
// The host's locks are taken in this order: the turnstile, Host.adding, then owner tokens ordered by plugin name, then ledger.mu, and
// under that either plugin.mu or the store's lock. Package ledger takes pins.mu with the store locked. No code of a
// plugin runs, and nothing waits for one, with ledger.mu or a lock below it held.
type plugin struct {
	Plugin
	host  *Host
	slot  *generations.Slot[*loaded]
	cache *cache.Cache

	// owner holds one token. Only its holder may change what the slot serves, use the field below, and set kept. Several
	// tokens are taken in the order of the plugins' names. The boot has them at first, see boots.
	owner     chan struct{}
	fileImage generations.ID // what was in the plugin's own file when it was last read; zero if it never was
	fileSeen  string         // the file's watch.Signature just before; empty if it isn't known

	up        chan struct{} // closed when its boot has ended; nil if it was added later
	changed   wake          // the image file may have changed
	links     []*link       // its places in chains
	panicTold atomic.Int64  // when a panic was told last, in Unix nanoseconds
	cut       atomic.Int64  // requests that were cut off
	rank      int           // higher than that of each plugin that comes before it in a chain
	fromDir   bool          // the file is one of Options.Dir
	look      fileLook      // at the file, for Status
	forgotten chan struct{} // closed, with the token held, when the host has the plugin no more

	mu          sync.Mutex                         // guards the fields below; no other lock of the host is taken under it
	others      string                             // by what others may change the file, as last seen
	refused     *Refusal                           // why the newest image was not taken; nil after a success
	kept        []*kept                            // for rollbacks, the newest first; the holder of the token may read it without mu
	last        *Move                              // the last reload that changed something; nil if there was none
	old         []*generations.Generation[*loaded] // replaced but not yet retired
	answered    answered                           // what its generations have answered
	watched     *watch.Target                      // nil in Prod mode
	checkpoints checkpoints
}

// loaded is an instance with what the host knows about it. Slots serve values of this type.
type loaded struct {
	*instance.Instance
	id    generations.ID
	label string // id.Short()
	since time.Time

	header []string // label, as all responses have it: whoever appends gets a copy
	line   string   // header as a connection adds it

	requests requests            // that run in it
	cutter   cutter              // of the same, if Plugin.CutAfter is set
	seen     atomic.Pointer[any] // what a Handle[T] has first lent it as, a *T; nil if none has

	// skipped is the image that was in the plugin's own file when this one took its place, by a rollback or from
	// another file; zero if there is none. A change event alone doesn't load that image.
	skipped generations.ID

	chained map[*link]http.Handler // what it serves in chains

	stopped atomic.Pointer[string] // why its background work doesn't run, as long as restartLater tries to start it; set by the owner

	told bool // tellMismatch has done so; used by the owner
}

func byName(a, b *plugin) int { return cmp.Compare(a.Name, b.Name) }

// own waits for the plugin's owner token. If the token is available, own takes it even if ctx has ended.
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

// ownOpen is like own, but stops waiting when the host's lifetime ends: Close keeps the tokens that it takes.
func (p *plugin) ownOpen(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(p.host.lifetime, func() { cancel(p.host.Serving()) })()
	if err := p.own(ctx); err != nil {
		return fmt.Errorf("plugin %s: %w", p.Name, err)
	}
	return nil
}

// known returns an ErrUnknownPlugin if the host has forgotten the plugin. The caller owns it, or all plugins that the host has.
func (p *plugin) known() error {
	select {
	case <-p.forgotten:
		return fmt.Errorf("%w %q: its file is gone", ErrUnknownPlugin, p.Name)
	default:
		return nil
	}
}

// args returns a copy of the plugin's arguments as texts, never nil.
func (p *plugin) args() map[string]string { return adapter.Texts(p.Args, p.Values) }

// serving returns the generation that the slot serves, or nil.
func (p *plugin) serving() *generations.Generation[*loaded] { return p.slot.Current() }

// servingID returns the ID of the image that the slot serves, or the zero ID if it is empty.
func (p *plugin) servingID() generations.ID {
	if g := p.serving(); g != nil {
		return g.Value().id
	}
	return generations.ID{}
}

// uses returns the paths of the images that instances of the plugin come from which aren't retired yet.
func (p *plugin) uses() (paths []string) {
	if g := p.serving(); g != nil {
		paths = append(paths, g.Value().Image().Path())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.old {
		paths = append(paths, g.Value().Image().Path())
	}
	return paths
}

// refusal returns why the newest image was not taken, or nil.
func (p *plugin) refusal() *Refusal {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused
}

// setRefusal sets the newest refusal; nil clears it.
func (p *plugin) setRefusal(r *Refusal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused = r
}

// noteSuccess records a reload that succeeded.
func (p *plugin) noteSuccess(m Move) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused = nil
	if !m.Unchanged {
		m = m.clone() // the caller of a reload has the other
		p.last = &m
	}
}
