package sohost

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/sockets"
	"golang.org/x/sys/unix"
)

// exclusive reports whether the old instance has to release what it owns before the candidate takes it.
func (c *candidate) exclusive() bool {
	return c.old.serves != nil && (c.old.serves.Value().Image().Exclusive() || c.next.Image().Exclusive())
}

// explainInUse adds to the error of an address that is in use who has it, and what to do.
func (c *candidate) explainInUse(err error) error {
	var op *net.OpError
	if !errors.Is(err, unix.EADDRINUSE) || !errors.As(err, &op) {
		return err
	}
	switch op.Addr.(type) {
	case *net.TCPAddr, *net.UDPAddr:
	default: // a file, which the error names
		return err
	}
	holder, known := sockets.Listener(op.Addr)
	switch {
	case !known:
		return fmt.Errorf("%w; nobody that this server can see has the port: try again, or give the plugin another one", err)
	case !holder.Us():
		return fmt.Errorf("%w; the port is held by process %d (%s): stop that, or give the plugin another one", err, holder.PID, holder.Program)
	case c.next != nil && c.next.Image().Exclusive():
		return fmt.Errorf("%w; the port is held by this server (process %d), for another plugin or for itself: give the plugin another one",
			err, holder.PID)
	}
	return fmt.Errorf("%w; the port is held by this server (process %d), perhaps by the plugin's old code: set Exclusive in the Descriptor, "+
		"take the port in Start and release it in Stop, so that the old code is stopped first", err, holder.PID)
}

// The pauses between two attempts to start background work again grow from the first to the last.
const (
	firstRestartPause = 100 * time.Millisecond
	lastRestartPause  = 30 * time.Second
)

// restartLater starts the background work of a generation again that could not be resumed. It tries until the work runs, the generation
// serves no more or the host ends. Meanwhile the plugin serves without it, and Status says why. The caller owns the plugin.
func (p *plugin) restartLater(g *generations.Generation[*loaded], why error) {
	log := p.host.log.With("plugin", p.Name, "generation", g.Value().label)
	log.Error("background work could not be started again: the plugin serves without it, and it is tried again", "err", why)
	text := why.Error()
	if g.Value().stopped.Swap(&text) != nil { // it is tried already
		return
	}
	p.host.tasks.Go(func() {
		for pause := firstRestartPause; ; pause = min(2*pause, lastRestartPause) {
			select {
			case <-p.host.lifetime.Done():
				return
			case <-time.After(pause):
			}
			err := p.startAgain(g)
			if err == nil {
				return
			}
			log.Debug("background work could not be started again", "err", err)
		}
	})
}

// startAgain starts the background work of a generation while its callers wait. It returns nil if that runs, or the generation doesn't
// serve any more.
func (p *plugin) startAgain(g *generations.Generation[*loaded]) error {
	h := p.host
	disown, err := h.own(h.lifetime, []*plugin{p})
	if err != nil {
		return err
	}
	defer disown()
	gate := newGated(p)
	if gate.serves == g {
		err = gate.start()
	}
	if err == nil {
		g.Value().stopped.Store(nil)
		return nil
	}
	text := err.Error()
	g.Value().stopped.Store(&text)
	return err
}

// start starts the background work of what serves while no call runs.
func (g *gated) start() error {
	h := g.plugin.host
	if err := g.shut(); err != nil {
		return err
	}
	defer g.replace(g.serves)
	draining, cancel := h.limit(context.Background(), h.opts.DrainTimeout, drainTimeout)
	defer cancel()
	if err := g.drain(draining); err != nil {
		return err
	}
	starting, cancel := h.limit(context.Background(), h.opts.OpenTimeout, openTimeout)
	defer cancel()
	return g.serves.Value().Start(starting)
}
