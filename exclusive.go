package sohost

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/sockets"
	"golang.org/x/sys/unix"
)

// exclusive reports whether the old instance has to release what it owns before the candidate takes it.
func (c *candidate) exclusive() bool {
	return c.old.serves != nil && (c.old.serves.Value().Image().Exclusive() || c.next.Image().Exclusive())
}

// explainInUse adds to the error of a port or a lock that is in use who has it, and what to do.
func (c *candidate) explainInUse(err error) error {
	what, holder, known := inUse(err)
	switch {
	case what == "":
		return err
	case !known:
		return fmt.Errorf("%w; nobody that this server can see has the %s: try again, or give the plugin another one", err, what)
	case !holder.Us():
		return fmt.Errorf("%w; the %s is held by process %d (%s): stop that, or give the plugin another one", err, what, holder.PID, holder.Program)
	case c.next != nil && c.next.Image().Exclusive():
		return fmt.Errorf("%w; the %s is held by this server (process %d), for another plugin or for itself: give the plugin another one",
			err, what, holder.PID)
	}
	return fmt.Errorf("%w; the %s is held by this server (process %d), perhaps by the plugin's old code: set Exclusive in the Descriptor, "+
		"take the %[2]s in Start and release it in Stop, so that the old code is stopped first", err, what, holder.PID)
}

// inUse returns what an error says to be in use, a port or a lock, and who has it; what is empty if it says nothing of that kind.
func inUse(err error) (what string, holder sockets.Holder, known bool) {
	if op, is := errors.AsType[*net.OpError](err); is && errors.Is(err, unix.EADDRINUSE) {
		switch op.Addr.(type) {
		case *net.TCPAddr, *net.UDPAddr: // or a file, which the error names
			holder, known = sockets.Listener(op.Addr)
			return "port", holder, known
		}
	}
	if file, is := errors.AsType[*os.PathError](err); is && errors.Is(err, unix.EWOULDBLOCK) {
		if holder, known = sockets.Locker(file.Path); known { // else it may be a pipe
			return "lock", holder, true
		}
	}
	return "", holder, false
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
