package sohost

import (
	"runtime"
	"runtime/debug"
	"sync"
)

// movingGC is the GOGC of both processes while states move. Nearly all that is allocated then stays, so that to collect garbage is in
// vain; but it takes as much of the processors as what callers wait for.
const movingGC = 400

// collector is how often this process collects garbage. All hosts in it share that.
var collector gcSetting

// gcSetting is GOGC, which is movingGC while states move.
type gcSetting struct {
	mu     sync.Mutex // guards what follows
	moves  int
	before int
	less   bool // it is movingGC instead of before
}

// moving has the garbage collector run less often until end or endLater was called as often as moving.
func (g *gcSetting) moving() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.moves++; g.less {
		return
	}
	if g.before = debug.SetGCPercent(movingGC); g.before < 0 || g.before >= movingGC { // it is off, or runs even less
		debug.SetGCPercent(g.before)
		return
	}
	g.less = true
}

// end sets GOGC back. That often makes the collector run at once.
func (g *gcSetting) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.moves--; g.moves == 0 {
		g.setBack()
	}
}

// endLater is end, but sets GOGC back after the next collection, which comes within two minutes whatever is allocated: at once it would
// hold up callers who have just waited.
func (g *gcSetting) endLater() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.moves--
	runtime.AddCleanup(&struct{ self *gcSetting }{g}, func(g *gcSetting) {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.moves == 0 {
			g.setBack()
		}
	}, g)
}

// asSet sets GOGC back before somebody looks at it.
func (g *gcSetting) asSet() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.setBack()
}

// setBack does nothing if a plugin has set GOGC meanwhile. g.mu must be held.
func (g *gcSetting) setBack() {
	if !g.less {
		return
	}
	g.less = false
	if now := debug.SetGCPercent(g.before); now != movingGC {
		debug.SetGCPercent(now)
	}
}
