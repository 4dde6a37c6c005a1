package sohost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/state"
)

// A plugin has two checkpoints in STORE/state: the last one, PLUGIN.cbor, and the one before, PLUGIN.cbor.1; and the last one of
// each other version of its state that there was, PLUGIN.cbor.vVERSION. One that can't be read is set aside under a name that
// says when, and never overwritten.
func (h *Host) checkpointFile(p *plugin) (last, before string) {
	last = filepath.Join(h.opts.Store, "state", p.name+".cbor")
	return last, last + ".1"
}

// checkpointRegularly takes checkpoints of all plugins at each interval.
func (h *Host) checkpointRegularly() {
	if h.opts.CheckpointInterval < 0 {
		return
	}
	h.tasks.Go(func() {
		for {
			select {
			case <-time.After(h.opts.CheckpointInterval): // since the last one ended: callers must not wait all the time
			case <-h.lifetime.Done():
				return
			}
			for _, p := range h.index.Load().sorted() {
				if err := h.checkpointServing(h.lifetime, p); err != nil && h.lifetime.Err() == nil {
					h.log.Warn("checkpoint: the one before stays", "plugin", p.name, "err", err)
				}
			}
		}
	})
}

// checkpointServing takes a checkpoint of a plugin that serves. Callers wait while the state is copied; it is written
// while they go on.
func (h *Host) checkpointServing(ctx context.Context, p *plugin) (err error) {
	defer caught(&err)
	if err := p.own(ctx); err != nil {
		return err
	}
	defer p.disown()
	g := p.current()
	if g == nil || !g.Value().checkpointable() {
		return nil
	}
	s, err := h.copyState(ctx, p, g)
	if err != nil {
		return err
	}
	return h.writeCheckpoint(p, s)
}

// copyState copies a serving plugin's state, and lets the plugin go on.
func (h *Host) copyState(ctx context.Context, p *plugin, g *generations.Generation[*live]) (s abi.State, err error) {
	l := g.Value()
	if !l.descriptor.ConcurrentExport {
		gate, err := p.slot.Gate()
		if err != nil {
			return s, err
		}
		defer func() {
			ctx, cancel := h.limit(context.WithoutCancel(ctx), h.opts.OpenTimeout)
			defer cancel()
			h.goOn(ctx, p, g, gate)
		}()
		// Less than for a reload: a call that never ends would hold up all others each time.
		ctx, cancel := h.limit(ctx, h.opts.DrainTimeout/10)
		defer cancel()
		if err := p.drainGated(ctx, g); err != nil {
			return s, err
		}
	}
	ctx, cancel := h.limit(ctx, h.opts.DrainTimeout)
	defer cancel()
	if !l.descriptor.ConcurrentExport {
		if err := l.pause(ctx); err != nil {
			return s, err
		}
	}
	if s, err = l.export(ctx); err != nil {
		return s, err
	}
	s.Value, _, err = state.Copy(s.Value, h.opts.StateLimit)
	return s, err
}

// checkpointLast writes the state of an instance that nobody calls any more.
func (h *Host) checkpointLast(ctx context.Context, p *plugin, l *live) (err error) {
	defer caught(&err)
	if h.opts.CheckpointInterval < 0 || !l.checkpointable() {
		return nil
	}
	ctx, cancel := h.limit(ctx, h.opts.DrainTimeout)
	defer cancel()
	if err := l.pause(ctx); err != nil {
		return err
	}
	s, err := l.export(ctx)
	if err != nil {
		return err
	}
	return h.writeCheckpoint(p, s)
}

// writeCheckpoint makes s the plugin's last checkpoint.
func (h *Host) writeCheckpoint(p *plugin, s abi.State) error {
	return h.replaceCheckpoint(p, s, func(w io.Writer) error { return state.Encode(w, s) })
}

// replaceCheckpoint makes what write writes the plugin's last checkpoint, and the last one the one before. At any moment one of
// them is whole. If s is of another version than the last one, that is kept beside them, for a generation that goes back.
func (h *Host) replaceCheckpoint(p *plugin, s abi.State, write func(io.Writer) error) error {
	last, before := h.checkpointFile(p)
	if err := os.MkdirAll(filepath.Dir(last), 0o700); err != nil {
		return err
	}
	if had, err := checkpointHeader(last); err == nil && had.Schema == s.Schema && had.Version != s.Version {
		if err := keepVersion(last, had.Version); err != nil {
			return err
		}
	}
	if err := os.Rename(last, before); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := generations.WriteFile(last, 0o600, write)
	if err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	return nil
}

// checkpointable says whether the instance has state that can be written and read again. Reading takes a type, so the
// Descriptor must name it.
func (l *live) checkpointable() bool {
	_, ok := l.instance.(abi.Stateful)
	return ok && l.uncheckpointed() == nil
}

// uncheckpointed says why a stateful instance's state can't be checkpointed; nil if it can.
func (l *live) uncheckpointed() error {
	if _, ok := l.instance.(abi.Stateful); !ok {
		return nil
	}
	prototype := l.descriptor.State.Value
	if prototype == nil {
		return errors.New("the plugin's Descriptor.State names no type")
	}
	return state.Encodable(reflect.TypeOf(prototype))
}

// restore gives the state of the last checkpoint that can be read to the candidate's instance. With no checkpoint, or none
// that can be used, the instance begins with what New has given it.
func (h *Host) restore(ctx context.Context, c *candidate) error {
	if h.opts.CheckpointInterval < 0 || !c.live.checkpointable() {
		return nil
	}
	last, before := h.checkpointFile(c.plugin)
	for _, file := range []string{last, before} {
		move, err := h.restoreFrom(ctx, c, file)
		switch {
		case err == nil:
			c.state = move
			if file == before {
				h.log.Warn("state is that of the checkpoint before the last", "plugin", c.plugin.name, "age", move.Age)
			}
			return nil
		case errors.Is(err, fs.ErrNotExist):
		case errors.Is(err, state.ErrCorrupt):
			aside := file + ".corrupt-" + c.time.UTC().Format("20060102T150405")
			h.log.Error("checkpoint is corrupt, and set aside", "plugin", c.plugin.name, "file", aside, "err", err)
			if err := os.Rename(file, aside); err != nil {
				return err
			}
		default:
			// It is whole, and this generation can't take it.
			if h.restoreVersion(ctx, c, file, err) {
				return nil
			}
			// To begin anew would write over it.
			return fmt.Errorf("restore %s: %w; deploy an image that takes this state, or move the file away to begin anew", file, err)
		}
	}
	return nil
}

// restoreVersion goes back to the last checkpoint of the version that the candidate has, because it can't take that of another.
func (h *Host) restoreVersion(ctx context.Context, c *candidate, other string, refused error) bool {
	wants := c.live.descriptor.State
	had, err := checkpointHeader(other)
	if err != nil || had.Schema != wants.Schema || had.Version == wants.Version {
		return false
	}
	last, _ := h.checkpointFile(c.plugin)
	move, err := h.restoreFrom(ctx, c, checkpointOfVersion(last, wants.Version))
	if err != nil {
		return false
	}
	c.state = move
	h.log.Error("state is that from before another version, whose checkpoint this generation can't take: what happened since is kept",
		"plugin", c.plugin.name, "age", move.Age, "version", wants.Version, "kept", checkpointOfVersion(last, had.Version), "err", refused)
	return true
}

// checkpointOfVersion is where the last checkpoint of a version stays.
func checkpointOfVersion(last string, version int) string {
	return fmt.Sprintf("%s.v%d", last, version)
}

// keepVersion gives the last checkpoint that name, too.
func keepVersion(last string, version int) error {
	kept := checkpointOfVersion(last, version)
	os.Remove(kept + ".new") // of an earlier attempt
	if err := os.Link(last, kept+".new"); err != nil {
		return err
	}
	return os.Rename(kept+".new", kept)
}

// checkpointHeader reads of which version a checkpoint is.
func checkpointHeader(file string) (abi.State, error) {
	f, err := os.Open(file)
	if err != nil {
		return abi.State{}, err
	}
	defer f.Close()
	return state.ReadHeader(f)
}

func (h *Host) restoreFrom(ctx context.Context, c *candidate, file string) (StateMove, error) {
	f, err := os.Open(file)
	if err != nil {
		return StateMove{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return StateMove{}, err
	}
	move, err := h.acceptStream(ctx, c, f)
	if err != nil {
		return StateMove{}, err
	}
	move.Way, move.Age = WayCheckpoint, time.Since(info.ModTime())
	return move, nil
}

// acceptStream gives encoded state to the candidate's instance.
func (h *Host) acceptStream(ctx context.Context, c *candidate, r io.Reader) (StateMove, error) {
	prototype := reflect.TypeOf(c.live.descriptor.State.Value)
	s, report, err := state.Decode(r, prototype, state.DecodeOptions{MaxMemory: h.opts.StateLimit})
	if err != nil {
		return StateMove{}, err
	}
	move, err := c.live.accept(ctx, s, h.moveOptions(c), false)
	if err != nil {
		return StateMove{}, err
	}
	move.Changes = nil
	move.copied(report)
	return move, nil
}
