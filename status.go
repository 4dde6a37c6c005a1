package sohost

import (
	"os"
	"slices"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/watch"
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

	// Quarantine are the images that are not tried again.
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

	// Watch says how changes of the image are noticed in Dev mode: inotify, or poll and why.
	Watch *watch.Status `json:"watch,omitempty"`

	// Generations are those with an instance: the one that serves and those that still have calls.
	Generations []GenerationStatus `json:"generations"`

	// Uncheckpointed says why the plugin's state is in no checkpoint, and a restart loses it; absent if it has none or is.
	Uncheckpointed string `json:"uncheckpointed,omitempty"`

	// Last is the last reload. Refused is why the newest image was not taken; it is absent after a success.
	Last    *Move    `json:"last,omitempty"`
	Refused *Refusal `json:"refused,omitempty"`
}

// GenerationStatus is one generation's part in a PluginStatus.
type GenerationStatus struct {
	ID     generations.ID `json:"id"`
	State  string         `json:"state"` // serving or draining
	Leases int64          `json:"leases"`
	Memory native.Memory  `json:"memory"`
}

// Status tells what the host serves. It never blocks on a reload.
func (h *Host) Status() Status {
	s := Status{PID: os.Getpid(), Started: h.started, Store: h.opts.Store, Release: h.Release(), Plugins: []PluginStatus{}}
	s.Generations, s.Left = len(native.Opened()), h.leftovers()
	s.Quarantine, _ = h.store.Quarantines() // what can't be read of it shows when it is needed
	if confirmed, err := h.store.Confirmed(); err == nil {
		s.Confirmed = confirmed.Number
	}
	var images []*native.Image
	for _, p := range h.index.Load().sorted() {
		status, of := p.status()
		s.Plugins, images = append(s.Plugins, status), append(images, of...)
	}
	memories, err := native.MemoryOf(images...) // of all at once: the kernel takes its time for each question
	if err != nil {
		return s // zero where the kernel doesn't tell
	}
	for _, p := range s.Plugins {
		for i := range p.Generations {
			p.Generations[i].Memory, memories = memories[0], memories[1:]
		}
	}
	return s
}

// status is the plugin's part, but for the memory of its generations, which come from images.
func (p *plugin) status() (s PluginStatus, images []*native.Image) {
	s = PluginStatus{Name: p.name, Mode: p.Mode, Image: p.Image, Routes: p.Routes, Generations: []GenerationStatus{}}
	p.mu.Lock()
	s.Last, s.Refused = p.last, p.refused
	old := slices.Clone(p.old)
	if p.watched != nil {
		how := p.watched.Status()
		s.Watch = &how
	}
	p.mu.Unlock()
	if g := p.current(); g != nil {
		l := g.Value()
		s.Generation, s.Version, s.Since = l.id, l.descriptor.Version, l.since
		s.Generations = append(s.Generations, GenerationStatus{ID: l.id, State: "serving", Leases: g.Leases()})
		images = append(images, l.image)
		if err := l.uncheckpointed(); err != nil {
			s.Uncheckpointed = err.Error()
		}
	}
	for _, g := range old {
		s.Generations = append(s.Generations, GenerationStatus{ID: g.ID(), State: "draining", Leases: g.Leases()})
		images = append(images, g.Value().image)
	}
	return s, images
}
