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
	one := &comparison{before: instance.ReadSettings(), shared: len(c.active) > 0}
	for other := range c.active {
		other.shared = true
	}
	if c.active == nil {
		c.active = map[*comparison]bool{}
	}
	c.active[one] = true
	return one
}

// end ends a comparison, and returns what has changed since it began.
func (c *comparisons) end(one *comparison) []Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.active, one)
	changes := one.before.Changes()
	for i := range changes {
		changes[i].Shared = one.shared
	}
	return changes
}

// watched is step for a phase that runs the plugin's code in this process: it notes which settings of the process change
// meanwhile.
func (c *candidate) watched(phase Phase, do func() error) error {
	running := &c.plugin.host.comparisons
	one := running.begin()
	defer func() { c.move.Changed = instance.Merged(c.move.Changed, running.end(one)) }()
	return c.step(phase, do)
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
