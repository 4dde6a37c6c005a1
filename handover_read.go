package sohost

import (
	"context"
	"time"
)

// readPause is how long callers wait at most while a part of a Go map is read, after the calls that run have returned. Then the gate
// is open for as long.
const readPause = 2 * time.Millisecond

// readOn reads a part of the Go maps of a state that goes ahead, and reports whether all of them were read. Callers wait meanwhile: as
// for a checkpoint, for half of Options.CheckpointPause if calls run that long, and then for readPause.
func (g *giver) readOn(ctx context.Context, p *plugin, sent *sentAhead) (done bool, err error) {
	if !sent.Reads() {
		return true, nil
	}
	m := newGated(p)
	if err := m.shut(); err != nil {
		return false, err
	}
	defer func() {
		ctx, cancel := g.host.limit(context.WithoutCancel(ctx), g.host.opts.OpenTimeout, openTimeout)
		defer cancel()
		m.reopen(ctx)
	}()
	if err := m.drainBriefly(ctx, g.host.opts.CheckpointPause/2); err != nil {
		return false, err
	}
	return m.serves.Value().Read(sent.Ahead, time.Now().Add(readPause))
}

// letCallersGoOn leaves the gate open for a while.
func letCallersGoOn(ctx context.Context) {
	pause := time.NewTimer(readPause)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
	}
}
