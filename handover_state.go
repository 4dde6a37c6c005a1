package sohost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/cache"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/passing"
	"golang.org/x/sys/unix"
)

// sendStates sends each state to the taker, or what has changed since it was sent ahead, and waits until the taker has accepted all of
// them and started all its instances.
func (g *giver) sendStates(ctx context.Context) error {
	h := g.host
	limited, cancel := h.limit(ctx, h.opts.DrainTimeout, drainTimeout)
	defer cancel()
	var whole, ahead []exported
	for _, m := range g.moving {
		if err := m.serves.Value().Pause(limited); err != nil {
			return err
		}
		if !g.stays(m.plugin) {
			if err := g.saveRemoved(limited, m); err != nil {
				return err
			}
			continue
		}
		wants, takes := g.wants[m.plugin.Name]
		if !m.serves.Value().Stateful() {
			continue
		}
		if !takes {
			h.log.Warn("state dropped: the new generation is not abi.Stateful", "plugin", m.plugin.Name, "from", m.serves.ID().Short())
			if err := g.sendDropped(limited, m); err != nil {
				return fmt.Errorf("state of plugin %s: %w", m.plugin.Name, err)
			}
			continue
		}
		s, _, err := m.serves.Value().Export(limited, abi.State{Schema: wants.Schema, Version: wants.Version})
		if err != nil {
			return fmt.Errorf("state of plugin %s: %w", m.plugin.Name, err)
		}
		if sent := g.ahead[m.plugin]; sent != nil && sent.is(s) {
			ahead = append(ahead, exported{m, s})
			continue
		}
		whole = append(whole, exported{m, s})
	}
	more, err := g.sendLastChanges(ahead)
	if err != nil {
		return err
	}
	if err := g.streamStates(limited, append(whole, more...)); err != nil {
		return err
	}
	if err := g.sendCaches(limited); err != nil {
		return fmt.Errorf("caches: %w", err)
	}
	g.started = true
	if err := g.send(message{States: true}); err != nil {
		return err
	}
	return g.awaitAccepted(ctx)
}

// exported is a state that is to be sent.
type exported struct {
	*gated
	state abi.State
}

// streamStates streams states, as many at a time as there are processors. After an error none is left half sent.
func (g *giver) streamStates(ctx context.Context, all []exported) error {
	streams, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex // guards first
	var first error
	atOnce(all, func(_ int, e exported) {
		err := context.Cause(streams)
		if err == nil {
			err = g.streamState(streams, message{State: e.plugin.Name}, e.plugin, e.serves.Value(), func(w io.Writer) error {
				return instance.Encode(w, e.state, g.host.opts.StateLimit)
			})
		}
		if err != nil {
			mu.Lock()
			defer mu.Unlock()
			if first == nil || errors.Is(err, ErrUnwritable) && !errors.Is(first, ErrUnwritable) { // the taker may have complained about that one to another
				first = err
			}
			cancel(err)
		}
	})
	return g.explained(ctx, first)
}

// awaitAccepted waits for the taker to accept all states. The wait is limited, because a Start that hangs there must
// not hold up callers for longer than a reload may.
func (g *giver) awaitAccepted(ctx context.Context) error {
	limited, cancel := g.host.limit(ctx, g.host.opts.acceptTimeout(), drainTimeout+", "+openTimeout)
	defer cancel()
	defer context.AfterFunc(limited, func() { g.taker.Close() })()
	m, err := g.receive()
	if err != nil && limited.Err() != nil {
		return fmt.Errorf("the new process takes too long to accept state: %w", context.Cause(limited))
	}
	if err == nil && !m.Accepted {
		err = fmt.Errorf("%w: the new process must say that it has accepted the state", errOutOfOrder)
	}
	return err
}

// streamState streams one state, which encode writes.
func (g *giver) streamState(ctx context.Context, of message, p *plugin, in *loaded, encode func(io.Writer) error) error {
	var unwritable error
	err := g.stream(ctx, of, func(w io.Writer) error {
		unwritable = encode(w)
		return unwritable
	})
	switch {
	case err == nil:
		return nil
	case err == unwritable && !errors.Is(err, unix.EPIPE): // the pipe isn't the reason
		p.noteVerdict(in, err)
		return p.cantWrite(err)
	}
	return fmt.Errorf("state of plugin %s: %w", p.Name, err)
}

// sendDropped sends a state that the taker is only to keep for a rollback. The loss was ordered, so a state that can't be had
// or written holds nothing up: nothing is sent then.
func (g *giver) sendDropped(ctx context.Context, m *gated) error {
	in := m.serves.Value()
	file, err := passing.MemoryFile("dropped state of " + m.plugin.Name)
	if err != nil {
		return err
	}
	defer file.Close()
	if err = in.Uncheckpointable(); err == nil {
		var s abi.State
		if s, _, err = in.Export(ctx, abi.State{}); err == nil {
			err = instance.Encode(file, s, g.host.opts.StateLimit)
		}
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		g.host.log.Error("the dropped state can't be kept: a rollback won't bring it back", "plugin", m.plugin.Name, "err", err)
		return nil
	}
	return g.send(message{State: m.plugin.Name}, file)
}

// sendCaches sends the contents of the caches. What running calls put into them meanwhile is left behind.
func (g *giver) sendCaches(ctx context.Context) error {
	caches := g.host.caches()
	entries := 0
	for _, c := range caches {
		entries += c.Stats().Entries
	}
	if entries == 0 {
		return nil
	}
	return g.explained(ctx, g.stream(ctx, message{Caches: true}, func(w io.Writer) error { return cache.Encode(w, caches) }))
}

// caches returns the caches by plugin name. The shared cache has the empty name.
func (h *Host) caches() map[string]*cache.Cache {
	all := map[string]*cache.Cache{"": h.sharedCache}
	for _, p := range h.plugins() {
		all[p.Name] = p.cache
	}
	return all
}

// stream sends the message with one end of a pipe, and lets write write to the other, until ctx ends. The error matches unix.EPIPE if
// the taker has stopped reading, see explained.
func (g *giver) stream(ctx context.Context, of message, write func(io.Writer) error) error {
	r, pipe, err := passing.Pipe("stream")
	if err != nil {
		return err
	}
	defer pipe.Close()
	enlarge(pipe)
	err = g.send(of, r)
	r.Close() // the taker has its own: if that is closed, our writes must fail and not block
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { pipe.SetWriteDeadline(time.Unix(1, 0)) })()
	err = write(pipe)
	pipe.Close() // whatever happened, and before anything else: the taker reads until here
	if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// explained returns what the taker says about an error of a stream. If it has stopped reading, it says why once it has undone what it did.
func (g *giver) explained(ctx context.Context, err error) error {
	if !errors.Is(err, unix.EPIPE) { // the taker ends when Give closes the connection
		return err
	}
	defer context.AfterFunc(ctx, func() { g.taker.Close() })()
	if m, heard := g.receive(); heard != nil && m.Failed != nil {
		return heard
	}
	return err
}

// pipeSize is the capacity of an enlarged pipe, in bytes. It is the most that Linux lets an unprivileged process ask
// for by default.
const pipeSize = 1 << 20

// enlarge raises a pipe's capacity, if the kernel allows it, so that its two ends wait for each other less often.
func enlarge(pipe *os.File) {
	if raw, err := pipe.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) })
	}
}
