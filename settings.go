package sohost

import (
	"fmt"
	"strings"
	"sync"

	"github.com/sohost/sohost/internal/instance"
)

// Change is a setting of the process that a plugin's code has changed, such as GOGC. All plugins share these settings.
type Change = instance.Change

// comparisons are the comparisons of settings that run. The zero value is ready.
type comparisons struct {
	mu     sync.Mutex // guards active, and shared of its elements
	active map[*comparison]bool
}

// comparison is one of them.
type comparison struct {
	before instance.Settings
	shared bool // another one has run meanwhile
}

func (c *comparisons) begin() *comparison {
	collector.asSet()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.beginLocked(instance.ReadSettings())
}

// end ends a comparison, and returns what has changed since it began.
func (c *comparisons) end(one *comparison) []Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.endLocked(one, instance.ReadSettings())
}

// turn ends a comparison and begins the next one, with a single reading.
func (c *comparisons) turn(one *comparison) (changes []Change, next *comparison) {
	collector.asSet()
	c.mu.Lock()
	defer c.mu.Unlock()
	now := instance.ReadSettings()
	changes = c.endLocked(one, now)
	return changes, c.beginLocked(now)
}

// beginLocked is called with c.mu held, and so is endLocked.
func (c *comparisons) beginLocked(now instance.Settings) *comparison {
	one := &comparison{before: now, shared: len(c.active) > 0}
	for other := range c.active {
		other.shared = true
	}
	if c.active == nil {
		c.active = map[*comparison]bool{}
	}
	c.active[one] = true
	return one
}

func (c *comparisons) endLocked(one *comparison, now instance.Settings) []Change {
	delete(c.active, one)
	changes := one.before.ChangesTo(now)
	for i := range changes {
		changes[i].Shared = one.shared
	}
	return changes
}

// settingsWatch notes in a candidate's move which settings of the process change while the candidate's code runs in this process.
type settingsWatch struct {
	candidate *candidate
	running   *comparison
}

// watchSettings begins a watch. The caller must end it.
func (c *candidate) watchSettings() *settingsWatch {
	return &settingsWatch{c, c.plugin.host.comparisons.begin()}
}

// turn notes what has changed so far, and goes on. Images that are loaded only from here on have no part in that.
func (w *settingsWatch) turn() {
	changes, next := w.candidate.plugin.host.comparisons.turn(w.running)
	w.note(changes)
	w.running = next
}

func (w *settingsWatch) end() { w.note(w.candidate.plugin.host.comparisons.end(w.running)) }

func (w *settingsWatch) note(changes []Change) {
	w.candidate.move.Changed = instance.Merged(w.candidate.move.Changed, changes)
}

// restoreSettings sets back what a candidate has changed that won't serve. If something can't be set back, the plugins should
// move to another process.
func (c *candidate) restoreSettings() {
	if len(c.move.Changed) == 0 {
		return
	}
	h := c.plugin.host
	left := instance.Restore(c.move.Changed)
	for _, change := range c.move.Changed {
		h.log.Warn("a setting of the process has changed while an image was tried that is refused", "plugin", c.plugin.Name,
			"image", c.move.To.Short(), "setting", change.Setting, "old", change.Old, "new", change.New, "set back", change.Restored)
	}
	if len(left) == 0 {
		return
	}
	var names []string
	for _, change := range left {
		names = append(names, change.String())
	}
	why := fmt.Sprintf("image %s of %s, which was refused, has changed what can't be set back: %s", c.move.To.Short(), c.plugin.Name,
		strings.Join(names, ", "))
	h.tainted.Store(&why)
	h.retired.up() // wakes watchBudget
}

// warn logs what is worth knowing about a move.
func (h *Host) warn(m Move) {
	for _, warning := range m.Warnings() {
		h.log.Warn("loaded, but "+warning, "plugin", m.Plugin, "generation", m.To.Short())
	}
}
