package dryrun

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// maxTold is how much a child may tell, in bytes. What comes after it is dropped.
const maxTold = 32 << 20

// collector makes a result of the events that a child writes. It is the child's standard output, which it always takes: a child must
// not wait for its parent.
type collector struct {
	Result
	order         Order
	line          bytes.Buffer // what has come of the next event
	told          int
	phase         Phase // the last that has begun
	begun         int   // how many steps have
	before, after *takenState
	ended         bool // the child has told that
}

func newCollector(o Order) *collector {
	return &collector{Result: Result{Plugin: o.Plugin, Steps: []Called{}}, order: o, phase: Open}
}

func (c *collector) Write(p []byte) (int, error) {
	n := len(p)
	if c.told += n; c.told > maxTold {
		c.Cut = true
		c.line.Reset()
		return n, nil
	}
	for {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			c.line.Write(p)
			return n, nil
		}
		c.line.Write(p[:end])
		var e event
		if json.Unmarshal(c.line.Bytes(), &e) == nil { // else the plugin has found the file, and has itself to blame
			c.take(e)
		}
		c.line.Reset()
		p = p[end+1:]
	}
}

// take adds an event.
func (c *collector) take(e event) {
	did := c.did()
	switch {
	case e.Phase == Call:
		c.phase = Call
		if c.begun < len(c.order.Steps) {
			c.Steps = append(c.Steps, Called{Step: c.order.Steps[c.begun].String()})
			c.begun++
		}
	case e.Phase != "":
		c.phase = e.Phase
	case e.Version != nil:
		c.Version = *e.Version
	case e.Log != nil:
		did.Logs = append(did.Logs, *e.Log)
	case e.Emitted != nil:
		did.Emitted = append(did.Emitted, *e.Emitted)
	case e.Cached != nil:
		did.Cached = append(did.Cached, *e.Cached)
	case e.Asked != nil:
		did.Asked = append(did.Asked, *e.Asked)
	case e.Tasks > 0:
		did.Tasks += e.Tasks
	case e.Called != nil && len(c.Steps) > 0:
		e.Called.Did = *did
		c.Steps[len(c.Steps)-1] = *e.Called
	case e.State != nil && e.State.After:
		c.after = e.State
	case e.State != nil:
		c.before = e.State
	case e.Failed != nil && c.Failed == nil:
		c.Failed = e.Failed
	case e.End:
		c.ended = true
	}
}

// did returns where what the plugin does now belongs.
func (c *collector) did() *Did {
	switch {
	case c.phase == Call && len(c.Steps) > 0:
		return &c.Steps[len(c.Steps)-1].Did
	case c.phase == Stop:
		return &c.Ended
	}
	return &c.Begin
}

// died notes how the child has ended in the middle of what it did.
func (c *collector) died(how string) {
	if c.Cut { // its end was not heard among what was dropped
		return
	}
	if c.phase == Call && len(c.Steps) > 0 && c.Steps[len(c.Steps)-1].Took == 0 {
		c.Steps[len(c.Steps)-1].Error = how
		return
	}
	if c.Failed == nil {
		c.Failed = &Failed{Phase: c.phase, Error: how}
	}
}

// finish returns the result.
func (c *collector) finish() Result {
	if c.Cut && c.Failed == nil {
		c.Failed = &Failed{Phase: c.phase, Error: fmt.Sprintf("it did more than %d MiB of text can hold; give it less to do", maxTold>>20)}
	}
	c.OK = c.Failed == nil && len(c.Steps) == len(c.order.Steps)
	for _, s := range c.Steps {
		c.OK = c.OK && s.Error == ""
	}
	return c.Result
}
