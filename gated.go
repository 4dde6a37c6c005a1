package sohost

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sohost/sohost/generations"
)

// gated is a plugin whose callers are held back while a reload, a checkpoint or a handover takes its state. Its user
// owns the plugin all that time, so nobody else changes the slot.
type gated struct {
	plugin *plugin
	serves *generations.Generation[*loaded] // what the slot serves, or served until the gate was shut; may be nil
	gate   *generations.Gate[*loaded]       // nil while it is open
	opened *generations.Gate[*loaded]       // the gate after it was opened again, for its statistics
}

// held returns how long the gate was shut before it was opened again.
func (g *gated) held() time.Duration {
	if g.opened == nil {
		return 0
	}
	return g.opened.Stats().Shut
}

func newGated(p *plugin) *gated { return &gated{plugin: p, serves: p.serving()} }

// shut makes callers wait.
func (g *gated) shut() (err error) {
	g.gate, err = g.plugin.slot.Gate()
	return err
}

// drain waits for the calls that were running when the gate was shut. If that takes too long, or they seem to wait for each
// other, the error says how many hold it up, and which.
func (g *gated) drain(ctx context.Context) error {
	ctx, cancel := g.giveUpOnSelfCalls(ctx)
	defer cancel()
	err := g.serves.Drain(ctx)
	var held *generations.DrainError
	var selfCall *selfCallError
	if !errors.As(err, &held) || !errors.Is(err, ErrTooSlow) && !errors.As(err, &selfCall) {
		return err
	}
	which := inBrackets(g.serves.Value().requests.inWords(held.Leases))
	return fmt.Errorf("%d calls of plugin %s in generation %s have not returned%s: %w; try again when they have",
		held.Leases, g.plugin.Name, g.serves.ID().Short(), which, held.Err)
}

// reopen opens the gate, so that callers go on with the generation that served when it was shut, and resumes that
// generation's background work if it was paused. It does nothing if the gate isn't shut. ctx must have a deadline.
func (g *gated) reopen(ctx context.Context) {
	if g.gate == nil {
		return
	}
	err := g.serves.Value().Resume(ctx)
	g.replace(g.serves)
	if err != nil {
		g.plugin.restartLater(g.serves, err)
	}
}

// replace makes next what the slot serves, through the gate if it is shut. If next is nil, the slot becomes empty.
func (g *gated) replace(next *generations.Generation[*loaded]) {
	if next != nil {
		g.plugin.mu.Lock()
		g.plugin.answered.enter(next) // before its first call
		g.plugin.mu.Unlock()
	}
	var err error
	if g.gate != nil {
		err = g.gate.Open(next)
		g.gate, g.opened = nil, g.gate
	} else {
		_, err = g.plugin.slot.Swap(next)
	}
	if err != nil { // impossible: only the owner changes the slot, and next is in no other
		panic(fmt.Sprintf("sohost: replace what %s serves: %v", g.plugin.Name, err))
	}
}

// goneTimeout is how long waited waits for callers that the opened gate lets go on. They only need a processor.
const goneTimeout = time.Second

// waited returns w with the callers who waited at this gate added. They are counted once they have gone on, a moment after
// the gate opened, which waited waits for.
func (g *gated) waited(w *Waited) *Waited {
	if g.opened == nil {
		return w
	}
	ctx, cancel := context.WithTimeout(context.Background(), goneTimeout)
	defer cancel()
	g.opened.AwaitGone(ctx)
	return w.with(g.opened.Stats())
}
