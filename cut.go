package sohost

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/sohost/sohost/generations"
)

// ErrCutOff is the cause of the end of a request's context that was cut off because it held up a reload or a handover, see Plugin.CutAfter.
var ErrCutOff = errors.New("the plugin is replaced, and the request held that up")

// cutter ends the contexts of a generation's requests.
type cutter struct {
	mu   sync.Mutex // guards both
	runs context.Context
	end  context.CancelCauseFunc
}

// begin returns a request whose context cut ends, and a function that must be called when its handler has returned.
func (c *cutter) begin(r *http.Request) (_ *http.Request, returned func()) {
	c.mu.Lock()
	if c.runs == nil {
		c.runs, c.end = context.WithCancelCause(context.Background())
	}
	runs := c.runs
	c.mu.Unlock()
	ctx, end := context.WithCancelCause(r.Context())
	stop := context.AfterFunc(runs, func() { end(ErrCutOff) })
	return r.WithContext(ctx), func() {
		stop()
		end(nil)
	}
}

// cut ends the contexts of the requests that have begun, and of none that begin later.
func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.runs != nil {
		c.end(ErrCutOff)
		c.runs = nil
	}
}

// cutLater cuts the requests off that still run after Plugin.CutAfter, while what is to replace the generation waits for them. stop must
// be called when it doesn't wait any more.
func (g *gated) cutLater() (stop func()) {
	after := g.plugin.CutAfter
	if after == 0 || g.gate == nil || g.serves == nil {
		return func() {}
	}
	timer := time.AfterFunc(after, g.cutOff)
	return func() { timer.Stop() }
}

// cutOff cuts off the requests that run, and tells of it.
func (g *gated) cutOff() {
	p, l := g.plugin, g.serves.Value()
	running := len(l.requests.all())
	if running == 0 { // what runs is no request
		return
	}
	which := l.requests.inWords(int64(running))
	p.cut.Add(int64(running))
	p.host.log.Warn("requests are cut off: they held up a reload or a handover", "plugin", p.Name, "generation", l.label, "requests", which)
	p.host.tell(generations.Event{Kind: generations.KindCutOff, Plugin: p.Name, From: l.id, Detail: which})
	l.cutter.cut()
}
