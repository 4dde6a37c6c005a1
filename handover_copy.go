package sohost

import (
	"os"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/passing"
)

// stateCopy is a state that went ahead with Go maps. No stream of it is a checkpoint, and to take one of the map would hold up callers.
// So the giver, which keeps the state as it was, streams it once more after the commit, and the taker writes that as a checkpoint.
type stateCopy struct {
	state abi.State
	pipe  *os.File
}

// offerCopy sends the taker the end of a pipe for a copy of the state, if there is to be one.
func (g *giver) offerCopy(p *plugin, s abi.State) error {
	if !g.ahead[p].Reads() {
		return nil
	}
	r, pipe, err := passing.Pipe("copy")
	if err != nil {
		g.host.log.Warn("the new process gets no copy of the state", "plugin", p.Name, "err", err)
		return nil // it takes a checkpoint itself
	}
	defer r.Close()
	g.copies[p] = &stateCopy{s, pipe}
	return g.send(message{Copy: p.Name}, r)
}

// endCopies closes the pipes of a handover that has failed.
func (g *giver) endCopies() {
	if g.given {
		return
	}
	for _, c := range g.copies {
		c.pipe.Close()
	}
}

// writeCopy writes the copy of a plugin's state, which nobody uses any more.
func (g *giver) writeCopy(p *plugin) {
	c := g.copies[p]
	defer c.pipe.Close()
	to := passing.Patient{Pipe: c.pipe, Patience: g.host.opts.DrainTimeout}
	if err := instance.Encode(to, c.state, g.host.opts.StateLimit); err != nil { // the taker may not want it
		g.host.log.Debug("the new process has not read the copy of the state", "plugin", p.Name, "err", err)
	}
}

// takeCopy keeps the pipe for a copy of a candidate's state.
func (t *taker) takeCopy(c *candidate, pipe *os.File) {
	if t.host.opts.CheckpointInterval <= 0 || t.streams[c] != nil {
		pipe.Close()
		return
	}
	t.streams[c] = pipe
}

// writeCopy writes the copy of a state as a checkpoint while it arrives, and reports whether it has.
func (t *taker) writeCopy(c *candidate) bool {
	pipe := t.streams[c]
	if pipe == nil {
		return false
	}
	defer pipe.Close()
	from := passing.Patient{Pipe: pipe, Patience: t.host.opts.DrainTimeout}
	err := c.plugin.checkpointCopy(c.move.State, t.positions.Of(c.plugin.Name), from, c.plugin.verifier(c.next))
	if err != nil {
		t.host.log.Info("a copy of the state from the process before is no checkpoint, so one is taken", "plugin", c.plugin.Name, "err", err)
	}
	return err == nil
}
