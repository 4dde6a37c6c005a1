package watch

import "sync"

// calm says whether any target has a change that its function hasn't been told of. Its zero value is calm.
type calm struct {
	mu         sync.Mutex    // guards what follows
	restless   bool          // a target isn't quiet yet, or its event waits to be delivered
	delivering int           // events that were taken for delivery, less calls that have returned
	over       chan struct{} // closed once all is calm; nil while it is
}

// Calm returns a channel that is closed once every target's function has been told, and has returned, of all changes until now. That
// takes as long as targets go on changing.
func (w *Watcher) Calm() <-chan struct{} {
	c := &w.loop.calm
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over == nil {
		return isCalm
	}
	return c.over
}

var isCalm = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (c *calm) setRestless(restless bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.restless = restless
	c.tell()
}

// deliver counts an event that is taken for delivery, 1, or a call that has returned, -1. Either may be counted first.
func (c *calm) deliver(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delivering += n
	c.tell()
}

// tell opens or closes the channel. The caller holds mu.
func (c *calm) tell() {
	calm := !c.restless && c.delivering == 0
	switch {
	case calm && c.over != nil:
		close(c.over)
		c.over = nil
	case !calm && c.over == nil:
		c.over = make(chan struct{})
	}
}

// restless reports whether a target isn't quiet yet, or has an event that waits to be delivered.
func (l *loop) restless() bool {
	if len(l.ready) > 0 {
		return true
	}
	for t := range l.targets {
		if t.quiet.waiting() {
			return true
		}
	}
	return false
}
