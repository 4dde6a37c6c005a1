package sohost

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/passing"
	"github.com/sohost/sohost/internal/state"
)

// sentAhead is a state of which maps were sent to the taker with the gate open. Once it is shut, only what has changed since
// is left to be sent.
type sentAhead struct {
	*state.Ahead
	schema  abi.State // without the value
	counted int64     // what the streams take that were sent so far: the state takes no more than that
}

// changesMessage lists what follows in the file that comes with it: for each plugin a stream of entries that have changed, and one of
// entries that are gone.
type changesMessage struct {
	Plugin  string `json:"plugin"`
	Changed int64  `json:"changed"`       // bytes
	Gone    int64  `json:"gone"`          // bytes
	All     bool   `json:"all,omitempty"` // the gate is shut: nothing follows, and Changed has the rest of the state
}

// Changes are sent again before any gate is shut until they are few, or have been sent often: then calls change the state faster than
// it can be sent.
const (
	fewChanges  = 256
	aheadRounds = 5
)

// sendAhead sends what can be sent of the states before callers have to wait, and returns when the taker has decoded it.
func (g *giver) sendAhead(ctx context.Context) error {
	for _, p := range g.plugins {
		if serves := p.serving(); serves != nil && g.wants[p.Name].Ahead && serves.Value().GoesAhead() {
			if err := g.sendBase(ctx, p, serves.Value()); err != nil {
				return err
			}
		}
	}
	for round := 0; len(g.ahead) > 0 && round < aheadRounds; round++ {
		if entries, err := g.sendRound(ctx); err != nil || entries <= fewChanges {
			return err
		}
	}
	return nil
}

// sendRound sends what has changed since it was called before, and returns how many entries that were and when the taker has decoded
// them.
func (g *giver) sendRound(ctx context.Context) (entries int, err error) {
	var c changes
	for _, p := range g.plugins {
		for done := false; !done && g.ahead[p] != nil; {
			if done, err = g.readOn(ctx, p, g.ahead[p]); err != nil {
				g.sendWhole(p, err)
				break
			}
			g.addChanges(&c, p)
			if done {
				break
			}
			entries += c.entries
			if err := g.sendReached(&c); err != nil {
				return entries, err
			}
			c = changes{}
			letCallersGoOn(ctx)
		}
	}
	return entries + c.entries, g.sendReached(&c)
}

// sendReached sends the changes and waits until the taker has decoded them.
func (g *giver) sendReached(c *changes) error {
	if err := g.sendChanges(c); err != nil {
		return err
	}
	if err := g.send(message{Reached: true}); err != nil {
		return err
	}
	m, err := g.receive()
	if err == nil && !m.Reached {
		err = fmt.Errorf("%w: the new process must say that it has the state so far", errOutOfOrder)
	}
	return err
}

// sendBase sends the maps of a state as they are, if they can be sent: of a large Go map the first part.
func (g *giver) sendBase(ctx context.Context, p *plugin, in *loaded) error {
	limited, cancel := g.host.limit(ctx, g.host.opts.DrainTimeout, drainTimeout)
	defer cancel()
	ahead, s, err := in.Track(limited, g.wants[p.Name].GoMaps)
	if err != nil || ahead == nil {
		g.host.log.Debug("nothing of the state is sent before callers wait", "plugin", p.Name, "err", err)
		return nil // it is exported again when they do, and then an error is one
	}
	// From here on End is called by endAhead.
	sent := &sentAhead{Ahead: ahead, schema: abi.State{Schema: s.Schema, Version: s.Version}}
	g.ahead[p] = sent
	if _, err := g.readOn(ctx, p, sent); err != nil && !ahead.LeaveOut() {
		g.sendWhole(p, err)
		return nil
	}
	base, end := ahead.Base()
	if base == nil { // only checkpoints take snapshots, and the plugin is owned
		ahead.End()
		delete(g.ahead, p)
		return nil
	}
	defer end()
	return g.explained(ctx, g.streamState(ctx, message{Ahead: p.Name}, p, in, func(w io.Writer) (err error) {
		sent.counted, err = instance.EncodeCounted(w, sent.of(base), g.host.opts.StateLimit)
		return err
	}))
}

// sendWhole sends nothing of a plugin's state ahead any more. All of it is sent when the gate is shut: whatever is the reason shows
// then, or none is left.
func (g *giver) sendWhole(p *plugin, why error) {
	g.host.log.Debug("the state is sent as a whole", "plugin", p.Name, "err", why)
	g.ahead[p].End()
	delete(g.ahead, p)
}

// is reports whether s is the state that was sent ahead.
func (s *sentAhead) is(now abi.State) bool {
	return now.Schema == s.schema.Schema && now.Version == s.schema.Version && s.Of(now.Value)
}

func (s *sentAhead) of(value any) abi.State {
	return abi.State{Schema: s.schema.Schema, Version: s.schema.Version, Value: value}
}

// addChanges adds what has changed of a plugin's state.
func (g *giver) addChanges(c *changes, p *plugin) {
	if err := c.add(p, g.ahead[p], false, p.host.opts.StateLimit); err != nil {
		g.sendWhole(p, err)
	}
}

// sendLastChanges sends the last changes of states that were sent ahead and everything else that they have, and returns those that are
// to be sent as a whole after all. Several are looked through at once.
func (g *giver) sendLastChanges(ahead []exported) (whole []exported, err error) {
	parts, failed := make([]changes, len(ahead)), make([]error, len(ahead))
	atOnce(ahead, func(i int, e exported) {
		failed[i] = parts[i].add(e.plugin, g.ahead[e.plugin], true, g.host.opts.StateLimit)
	})
	var all changes
	for i, e := range ahead {
		if failed[i] != nil {
			g.sendWhole(e.plugin, failed[i])
			whole = append(whole, e)
			continue
		}
		all.list = append(all.list, parts[i].list...)
		all.data.Write(parts[i].data.Bytes())
		if err := g.offerCopy(e.plugin, e.state); err != nil {
			return nil, err
		}
	}
	return whole, g.sendChanges(&all)
}

// endAhead ends the noting of changes.
func (g *giver) endAhead() {
	for _, sent := range g.ahead {
		sent.End()
	}
}

// changes is what has changed of several states, to be sent in one message.
type changes struct {
	list    []changesMessage
	data    bytes.Buffer
	entries int
}

// add adds what has changed of a plugin's state since this was called before. The error is state.ErrLimit if both together might
// take more than the limit.
func (c *changes) add(p *plugin, sent *sentAhead, all bool, limit int64) error {
	changed, gone, n, left, err := sent.Changes(all)
	if err != nil {
		return err
	}
	if c.entries += n + left; n+left == 0 && !all {
		return nil
	}
	m := changesMessage{Plugin: p.Name, All: all}
	before := c.data.Len()
	for _, part := range []struct {
		value any
		bytes *int64
	}{{changed, &m.Changed}, {gone, &m.Gone}} {
		start := c.data.Len()
		if part.bytes == &m.Gone && left == 0 {
			continue
		}
		counted, err := instance.EncodeCounted(&c.data, sent.of(part.value), limit)
		if err == nil && part.bytes == &m.Changed {
			if sent.counted += counted; all && limit > 0 && sent.counted > limit {
				err = state.ErrLimit
			}
		}
		if err != nil {
			c.data.Truncate(before)
			return err
		}
		*part.bytes = int64(c.data.Len() - start)
	}
	c.list = append(c.list, m)
	return nil
}

// sendChanges sends the changes, if there are any.
func (g *giver) sendChanges(c *changes) error {
	if len(c.list) == 0 {
		return nil
	}
	file, err := passing.MemoryFile("changes")
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Write(c.data.Bytes()); err != nil {
		return fmt.Errorf("changes: %w", err)
	}
	return g.send(message{Changes: c.list}, file)
}
