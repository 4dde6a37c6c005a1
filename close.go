package sohost

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Close stops watching and makes new deploys and calls fail with ErrClosed. For each plugin it then waits for a running
// deploy, after which ServeHTTP answers 503 for the plugin. It waits for the calls that are running, writes a
// checkpoint of the state (unless Options.CheckpointInterval is negative) and closes the instance.
//
// If ctx ends first, Close stops waiting and returns ctx's error. A plugin whose deploy is still running is left as it
// is. An instance whose calls are still running stays open, with its state as of the last checkpoint. All others are
// checkpointed and closed all the same. After a handover Close waits only for the calls that are still running here, and until the
// other process has read the copies of states that it makes checkpoints of.
//
// A second Close waits for the first and returns nil.
func (h *Host) Close(ctx context.Context) (err error) {
	h.closing.Do(func() { err = h.close(ctx) })
	return err
}

func (h *Host) close(ctx context.Context) error {
	triggers := h.closeTriggers(ctx) // first: they call plugins
	h.stop(ErrClosed)
	h.watcher.Close()
	plugins := h.plugins()
	errs := make([]error, len(plugins))
	var ends sync.WaitGroup
	busy := false
	for i, p := range plugins {
		if err := p.own(ctx); err != nil { // the token is never returned: no deploy can follow
			errs[i], busy = fmt.Errorf("plugin %s: %w", p.Name, err), true
			continue
		}
		// Concurrently, so that a call that doesn't return holds up only its own plugin.
		ends.Go(func() { errs[i] = p.closeOwned(ctx) })
	}
	ends.Wait()
	if !busy { // a running deploy may still add tasks, and Add must not race with Wait
		errs = append(errs, h.awaitTasks(ctx))
	}
	h.loader.Close()
	return errors.Join(append(errs, triggers, h.closeBacklog(), h.store.Close())...)
}

// closeOwned empties the slot, then checkpoints and closes the instance that served. The caller owns the plugin.
func (p *plugin) closeOwned(ctx context.Context) error {
	last, err := p.slot.Swap(nil)
	if last == nil || err != nil {
		return err
	}
	if err := last.Drain(ctx); err != nil {
		return fmt.Errorf("plugin %s: %w; its state is that of the last checkpoint", p.Name, err)
	}
	ctx = context.WithoutCancel(ctx) // from here on the options bound the plugin's code
	in := last.Value().Instance
	if err = p.checkpointLast(ctx, in); err != nil {
		err = fmt.Errorf("plugin %s: checkpoint: %w; %s", p.Name, err, p.stays())
	}
	err = errors.Join(err, p.host.end(ctx, in))
	in.Row().Release()
	p.host.cool(last.Value())
	return err
}

// taskGrace is how long Close waits for the host's goroutines if ctx ends first. They need a moment to end even when
// nothing holds them up.
const taskGrace = 100 * time.Millisecond

// awaitTasks waits for the host's goroutines.
func (h *Host) awaitTasks(ctx context.Context) error {
	done := make(chan struct{})
	go func() { h.tasks.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-done:
		return nil
	case <-time.After(taskGrace):
		return fmt.Errorf("old generations still have calls: %w", context.Cause(ctx))
	}
}
