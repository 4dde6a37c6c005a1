package sohost

import (
	"os"
	"slices"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/native"
)

// Status is what a Host serves at one moment.
type Status struct {
	PID     int            `json:"pid"`
	Started time.Time      `json:"started"`
	Store   string         `json:"store"`
	Release int            `json:"release"`
	Plugins []PluginStatus `json:"plugins"`

	// Confirmed is the last release that has passed its probation; 0 if there is none.
	Confirmed int `json:"confirmed,omitempty"`

	// Generations counts the images that the process has open, and Left is what those cost that no plugin uses any more.
	Generations int       `json:"generations"`
	Left        Leftovers `json:"left"`

	// Quarantine lists the images that are not tried again.
	Quarantine []generations.Quarantine `json:"quarantine,omitempty"`
}

// PluginStatus is one plugin's part in a Status.
type PluginStatus struct {
	Name   string   `json:"name"`
	Mode   Mode     `json:"mode"`
	Image  string   `json:"image"`
	Routes []string `json:"routes"`

	// Generation is the one that serves, absent if none does.
	Generation generations.ID `json:"generation,omitzero"`
	Version    string         `json:"version,omitempty"`
	Since      time.Time      `json:"since,omitzero"`

	// Watch says how changes of the image are noticed; absent in Prod mode.
	Watch *WatchStatus `json:"watch,omitempty"`

	// Generations are those with an instance: the one that serves and those that still have calls.
	Generations []GenerationStatus `json:"generations"`

	// Uncheckpointed says why the plugin's state is in no checkpoint, and a restart loses it; absent if it has none or is.
	Uncheckpointed string `json:"uncheckpointed,omitempty"`

	// Last is the last reload. Refused is why the newest image was not taken; it is absent after a success.
	Last    *Move    `json:"last,omitempty"`
	Refused *Refusal `json:"refused,omitempty"`
}

// WatchStatus says how a file is watched.
type WatchStatus struct {
	Mode   string `json:"mode"`             // "inotify" or "poll"
	Reason string `json:"reason,omitempty"` // why it is polled
}

// GenerationState says how far a generation has come.
type GenerationState string

// The states of a generation that has an instance.
const (
	GenerationServing  GenerationState = "serving"
	GenerationDraining GenerationState = "draining" // another one serves; calls that had begun are still running
)

// GenerationStatus is one generation's part in a PluginStatus.
type GenerationStatus struct {
	ID     generations.ID  `json:"id"`
	State  GenerationState `json:"state"`
	Leases int64           `json:"leases"` // calls that are running
	Memory native.Memory   `json:"memory"` // zero where the kernel doesn't tell

	path string // of the image
}

// Status returns what the host serves. It never waits for a reload. What memory and goroutines cost must be measured for it: it
// asks the kernel for the memory of all images and stops the world for a moment, together some milliseconds. Ask StatusBrief where that is
// too much.
func (h *Host) Status() Status {
	s := h.StatusBrief()
	costs := h.loader.Measure(h.inUse)
	s.Left = leftoversOf(costs)
	for _, p := range s.Plugins {
		for i := range p.Generations {
			p.Generations[i].Memory = costs.Memory[p.Generations[i].path]
		}
	}
	return s
}

// StatusBrief returns the same as Status, with Left and each generation's Memory zero, and measures nothing.
func (h *Host) StatusBrief() Status {
	s := Status{
		PID: os.Getpid(), Started: h.started, Store: h.opts.Store, Release: h.CurrentRelease(), Plugins: []PluginStatus{},
		Generations: len(h.loader.Opened()),
	}
	s.Quarantine, _ = h.store.Quarantines() // what can't be read of it shows when it is needed
	if confirmed, err := h.store.Confirmed(); err == nil {
		s.Confirmed = confirmed.Number
	}
	for _, p := range h.plugins() {
		s.Plugins = append(s.Plugins, p.status())
	}
	return s
}

func (p *plugin) status() PluginStatus {
	s := PluginStatus{Name: p.Name, Mode: p.Mode, Image: p.Image, Routes: p.Routes, Generations: []GenerationStatus{}}
	p.mu.Lock()
	s.Last, s.Refused = p.last, p.refused
	old := slices.Clone(p.old)
	if p.watched != nil {
		how := WatchStatus(p.watched.Status())
		s.Watch = &how
	}
	p.mu.Unlock()
	if g := p.serving(); g != nil {
		l := g.Value()
		s.Generation, s.Version, s.Since = l.id, l.Image().Version(), l.since
		s.Generations = append(s.Generations, statusOf(g, GenerationServing))
		if err := l.Uncheckpointable(); err != nil {
			s.Uncheckpointed = err.Error()
		}
	}
	for _, g := range old {
		s.Generations = append(s.Generations, statusOf(g, GenerationDraining))
	}
	return s
}

func statusOf(g *generations.Generation[*loaded], state GenerationState) GenerationStatus {
	return GenerationStatus{ID: g.ID(), State: state, Leases: g.Leases(), path: g.Value().Image().Path()}
}
