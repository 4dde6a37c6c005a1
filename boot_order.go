package sohost

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/blame"
)

// boots is the boot of all plugins, which runs in the background: a plugin serves as soon as it is up. One begins after the other has
// ended, so that mostly one is the only suspect if the process dies; but none waits for a slow one.
//
// The boot owns each plugin until that is up or refused, and all of them while it publishes. Reloads and handovers wait for its end,
// so that the release that it publishes is the newest. Only checkpoints are taken meanwhile.
type boots struct {
	host    *Host
	release generations.Release
	record  *blame.Record
	leftOut map[string]bool
	lane    lane

	over      chan struct{} // closed at the end, when err is set
	err       error
	impatient chan struct{} // closed when callers no longer wait for plugins that are not up, see Options.BootWait

	mu       sync.Mutex // guards what follows
	total    int
	pending  []string // the plugins that are neither up nor refused
	booted   *batch
	fellBack map[*plugin]*Refusal
	kept     []*plugin // that the boot owns until its end

	telling sync.Mutex // one report after the other
}

const (
	// bootPatience is how long a plugin's boot takes before the next one begins beside it.
	bootPatience = time.Second

	// bootSuspicion is the share of the suspicion of the last crash with which an image boots after all others, and alone.
	bootSuspicion = 0.2
)

// newBoots returns the boot of the host's plugins, and owns them.
func newBoots(h *Host, release generations.Release, record *blame.Record, leftOut map[string]bool) *boots {
	b := &boots{
		host: h, release: release, record: record, leftOut: leftOut, over: make(chan struct{}), impatient: make(chan struct{}),
		booted: &batch{host: h, cause: cause{kind: generations.KindBoot, by: "boot"}}, fellBack: map[*plugin]*Refusal{},
	}
	for _, p := range h.plugins() {
		<-p.owner
		p.up = make(chan struct{})
		b.pending = append(b.pending, p.Name)
	}
	b.total = len(b.pending)
	return b
}

// inTurn boots the plugins, and returns when all are up or refused.
func (b *boots) inTurn(ctx context.Context) {
	time.AfterFunc(b.host.opts.BootWait, func() { close(b.impatient) })
	b.tell()
	usual, suspects := b.order()
	b.lane.expect(len(usual))
	var running sync.WaitGroup
	for p := range b.host.ready(ctx, b.release, usual, b.leftOut) {
		done := make(chan struct{})
		running.Go(func() {
			defer close(done)
			defer b.lane.pass(p)
			b.one(ctx, p)
		})
		select {
		case <-done:
		case <-time.After(bootPatience):
			b.host.log.Info("the next plugin boots beside one that takes its time", "plugin", p.Name)
		}
	}
	running.Wait()
	for _, p := range suspects {
		b.one(ctx, p)
	}
}

// order returns the plugins in the order in which they boot. suspects boot after all others, and alone: the next crash then says which
// of them it was.
func (b *boots) order() (usual, suspects []*plugin) {
	doubtful := b.record.Doubtful(bootSuspicion)
	for _, p := range b.host.plugins() {
		if slices.Contains(doubtful, p.Name) && b.host.opts.Process.CrashesInARow > 0 {
			suspects = append(suspects, p)
		} else {
			usual = append(usual, p)
		}
	}
	return usual, suspects
}

// one boots a plugin.
func (b *boots) one(ctx context.Context, p *plugin) {
	one := booting{plugin: p, boots: b, release: b.release, record: b.record, leftOut: b.leftOut[p.Name]}
	candidates, refused := one.boot(ctx)
	b.mu.Lock()
	b.booted.candidates = append(b.booted.candidates, candidates...)
	if refused != nil {
		b.fellBack[p] = refused
	}
	b.pending = slices.DeleteFunc(b.pending, func(name string) bool { return name == p.Name })
	if slices.ContainsFunc(candidates, func(c *candidate) bool { return c.keepsLast }) {
		b.kept = append(b.kept, p) // no checkpoint may take the place of the last one before that is kept
	} else {
		p.disown()
	}
	b.mu.Unlock()
	close(p.up)
	b.host.dueSooner.up()
	b.tell()
}

// ownAll owns all plugins for the end of the boot. disown returns the tokens, also after an error.
func (b *boots) ownAll(ctx context.Context) (disown func(), err error) {
	owned := b.kept
	disown = func() {
		for _, p := range owned {
			p.disown()
		}
	}
	for _, p := range b.host.plugins() {
		if slices.Contains(b.kept, p) {
			continue
		}
		if err := p.ownOpen(ctx); err != nil {
			return disown, err
		}
		owned = append(owned, p)
	}
	return disown, nil
}

// lane lets images be opened one after the other, because the runtime allows no more, and slow ones after all others. The time for
// opening an image begins when its turn has come. The zero lane is ready.
type lane struct {
	mu      sync.Mutex // guards what follows
	turn    chan struct{}
	quick   int // plugins that may still open an image without having been slow in the probe
	passed  map[*plugin]bool
	allPast chan struct{} // closed when quick is 0
}

// slowProbe is how long a probe of one image takes at least if the image is slow to open.
const slowProbe = bootPatience

// expect says how many plugins will pass.
func (l *lane) expect(plugins int) {
	l.turn, l.passed, l.allPast = make(chan struct{}, 1), map[*plugin]bool{}, make(chan struct{})
	if l.quick = plugins; plugins == 0 {
		close(l.allPast)
	}
}

// pass says that nobody needs to wait for the plugin any more.
func (l *lane) pass(p *plugin) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.passed[p] {
		return
	}
	l.passed[p] = true
	if l.quick--; l.quick == 0 {
		close(l.allPast)
	}
}

// enter waits for the turn of a plugin's image. A nil lane has no turns.
func (l *lane) enter(ctx context.Context, p *plugin, slow bool) (leave func(), err error) {
	if l == nil {
		return func() {}, nil
	}
	if slow {
		l.pass(p)
		select {
		case <-l.allPast:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	select {
	case l.turn <- struct{}{}:
		return func() { <-l.turn; l.pass(p) }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
