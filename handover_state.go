package sohost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/state"
	"golang.org/x/sys/unix"
)

// sendStates streams each state to the taker, which says at the end that it has accepted all and that all have started.
func (g *giving) sendStates(ctx context.Context) error {
	limited, cancel := g.host.limit(ctx, g.host.opts.DrainTimeout)
	defer cancel()
	for _, c := range g.moving {
		w, takes := g.wants[c.plugin.name]
		if err := c.serves.Value().pause(limited); err != nil {
			return err
		}
		if !takes {
			g.host.log.Warn("state dropped: the new generation is not abi.Stateful", "plugin", c.plugin.name, "from", c.serves.ID().Short())
			continue
		}
		if err := g.sendState(limited, c, w); err != nil {
			return fmt.Errorf("state of plugin %s: %w", c.plugin.name, err)
		}
	}
	if err := g.sendCaches(limited); err != nil {
		return fmt.Errorf("caches: %w", err)
	}
	g.started = true
	if err := g.taker.Send(word{States: true}); err != nil {
		return fmt.Errorf("the fresh process has ended: %w", err)
	}
	// The taker's Start has its own limit. One that is stuck must not hold the callers longer than a reload may.
	limited, cancel = g.host.limit(ctx, g.host.opts.DrainTimeout+g.host.opts.OpenTimeout)
	defer cancel()
	defer context.AfterFunc(limited, func() { g.taker.Close() })()
	w, err := g.receive()
	if err != nil && limited.Err() != nil {
		return fmt.Errorf("the fresh process takes too long to accept state: %w", context.Cause(limited))
	}
	if err == nil && !w.Accepted {
		err = errors.New("the fresh process doesn't say that it has accepted the state")
	}
	return err
}

// sendState streams one state.
func (g *giving) sendState(ctx context.Context, c *candidate, w wants) (err error) {
	defer caught(&err)
	s, _, err := export(ctx, c.serves.Value(), abi.State{Schema: w.Schema, Version: w.Version})
	if err != nil {
		return err
	}
	return g.stream(ctx, word{State: c.plugin.name}, func(w io.Writer) error { return state.Encode(w, s) })
}

// stream sends what write writes through a pipe that goes with the word.
func (g *giving) stream(ctx context.Context, of word, write func(io.Writer) error) error {
	r, pipe, err := os.Pipe()
	if err != nil {
		return err
	}
	defer pipe.Close()
	enlarge(pipe)
	err = g.taker.Send(of, r)
	r.Close()
	if err != nil {
		return fmt.Errorf("the fresh process has ended: %w", err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		pipe.SetWriteDeadline(deadline)
	}
	if err := write(pipe); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return context.Cause(ctx)
		}
		if w, heard := g.receive(); heard != nil && w.Failed != nil { // that is why it has stopped reading
			return heard
		}
		return err
	}
	return nil
}

// enlarge makes a pipe hold as much as a user's pipes may by default, so that its two ends wait for each other less often.
func enlarge(pipe *os.File) {
	if raw, err := pipe.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) }) // a wish
	}
}
