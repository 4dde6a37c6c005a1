package sohost

import (
	"os"
	"slices"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/native"
)

// Status describes a Host at one moment.
type Status struct {
	PID     int            `json:"pid"`
	Started time.Time      `json:"started"` // when this Host was made
	Store   string         `json:"store"`   // absolute path, without symbolic links
	Release int            `json:"release"` // the current one; 0 if there is none
	Plugins []PluginStatus `json:"plugins"` // ordered by name

	// Chains lists the routes that several plugins serve, in the order of Options.Chains.
	Chains []ChainStatus `json:"chains,omitempty"`

	// Disabled lists the plugins that are configured and not to run, by name.
	Disabled []Disabled `json:"disabled,omitempty"`

	// Booting says how far the boot is; nil if it is over. See Start.
	Booting *BootProgress `json:"booting,omitempty"`

	// Confirmed is the number of the last release that has passed its probation; 0 if there is none.
	Confirmed int `json:"confirmed,omitempty"`

	// Generations is the number of images that the process has open. Left is the cost of those that no plugin uses any
	// more.
	Generations int       `json:"generations"`
	Left        Leftovers `json:"left"`
	Budget      Budget    `json:"budget"` // what Left may come to before a handover is due

	// HandoverDue says which handover is due and could not be made; nil if there is none.
	HandoverDue *HandoverDue `json:"handover_due,omitempty"`

	// Probe lists the layers of the wall around the last probe; empty if there was none yet.
	Probe []ProbeLayer `json:"probe,omitempty"`

	// SpareProbe is the child that waits for the next image to probe; nil if there is none.
	SpareProbe *SpareProbe `json:"spare_probe,omitempty"`

	// Tainted says what a refused image has changed in the process and can't be set back; empty if nothing.
	Tainted string `json:"tainted,omitempty"`

	// Shared says which plugins have packages in common, variables included. It is absent in StatusBrief.
	Shared []Sharing `json:"shared,omitempty"`

	// Ignored lists the *.so files in Options.Dir that are no plugins, by name.
	Ignored []IgnoredFile `json:"ignored,omitempty"`

	// Quarantine lists the images in quarantine, oldest first.
	Quarantine []generations.Quarantine `json:"quarantine,omitempty"`
}

// ProbeLayer is one of the means by which the kernel keeps an image in a probe from reaching anything outside.
type ProbeLayer = instance.WallLayer

// PluginStatus describes one plugin in a Status.
type PluginStatus struct {
	Name   string   `json:"name"`
	Mode   Mode     `json:"mode"`
	Image  string   `json:"image"`
	Routes []string `json:"routes"`

	// File says how the file Image is beside what serves; empty if they are the same, if nothing serves, and as long as that isn't known.
	File FileState `json:"file,omitempty"`

	// Booting is set until the plugin is up or refused at the boot.
	Booting bool `json:"booting,omitempty"`

	// Generation is the image that serves, Version the plugin's own version of it, and Since the time when the reload
	// that loaded it began. All are zero if nothing serves.
	Generation generations.ID `json:"generation,omitzero"`
	Version    string         `json:"version,omitempty"`
	Since      time.Time      `json:"since,omitzero"`

	// Others says by what others than root and the server's user may change the file; empty if they can't, and until the host has
	// looked.
	Others string `json:"others,omitempty"`

	// Watch describes how changes of the file are noticed; nil in Prod mode.
	Watch *WatchStatus `json:"watch,omitempty"`

	// Generations lists the generations with an instance: first the one that serves, then older ones that are not
	// retired yet.
	Generations []GenerationStatus `json:"generations"`

	// Gated is set while the plugin's state moves: new calls wait until those that run have returned, which Running of the
	// first generation lists, and the state has moved. Waiting is how many wait.
	Gated   bool  `json:"gated,omitempty"`
	Waiting int64 `json:"waiting,omitempty"`

	// Held describes for how long new calls had to wait in this process, for whatever reason: reloads, checkpoints, handovers that
	// failed and attempts to write the state before one. All is zero if they never had to.
	Held Held `json:"held,omitzero"`

	// Waits counts the calls that had to wait, by how long; nil if none had to.
	Waits []generations.WaitCount `json:"waits,omitempty"`

	// Stopped says why the background work of what serves doesn't run; empty if it does. A Start after a reload, checkpoint or handover
	// that failed has failed, and is tried again.
	Stopped string `json:"stopped,omitempty"`

	// Uncheckpointed says why the plugin's state can't be checkpointed, so that a restart loses it. It is empty if the
	// state can be checkpointed, whatever Options.CheckpointInterval says, and if there is none.
	Uncheckpointed string `json:"uncheckpointed,omitempty"`

	// Checkpoint describes the plugin's checkpoints; nil if it gets none.
	Checkpoint *CheckpointStatus `json:"checkpoint,omitempty"`

	// Mismatch says how the state that the plugin's Export returns differs from what its Descriptor says; empty if it doesn't,
	// or if no state was taken yet. The first is taken soon after a reload, by a checkpoint. Until it is mended, a restart may
	// find that the plugin refuses its own checkpoint.
	Mismatch string `json:"mismatch,omitempty"`

	// Kept lists the states from before moves that lost something, or may have, the newest first. A rollback brings back
	// what was lost. They are removed when their release is confirmed.
	Kept []KeptState `json:"kept,omitempty"`

	// Triggers lists when the plugin is called besides requests for its Routes, by name.
	Triggers []TriggerStatus `json:"triggers,omitempty"`

	// Answered counts the requests that the plugin has answered in this process, by generation: those of Generations, and some that
	// have retired, the newest first. Durations says how long all of them took. Both are absent if there were none.
	Answered  []GenerationAnswers `json:"answered,omitempty"`
	Durations *Durations          `json:"durations,omitempty"`

	// Cut counts the requests that this process has cut off because they held up a reload or a handover, see Plugin.CutAfter.
	Cut int64 `json:"cut,omitempty"`

	// Last is the last reload that changed something. Refused says why the newest image was not taken; it is nil after
	// a successful reload.
	Last    *Move    `json:"last,omitempty"`
	Refused *Refusal `json:"refused,omitempty"`
}

// Held describes for how long a plugin's new calls were held back.
type Held = generations.Held

// WatchStatus describes how a file is watched.
type WatchStatus struct {
	Mode   string `json:"mode"`             // "inotify" or "poll"
	Reason string `json:"reason,omitempty"` // why it is polled; empty for inotify
}

// GenerationState is how far a generation has come.
type GenerationState string

// The states of a generation that has an instance.
const (
	GenerationServing  GenerationState = "serving"
	GenerationDraining GenerationState = "draining" // replaced: it is closed after its last call has returned
)

// GenerationStatus describes one generation in a PluginStatus.
type GenerationStatus struct {
	ID     generations.ID  `json:"id"`
	State  GenerationState `json:"state"`
	Leases int64           `json:"leases"` // running calls

	// Running lists the oldest requests that have run for a second or longer, at most five.
	Running []RunningCall `json:"running,omitempty"`

	Memory native.Memory `json:"memory"` // zero in StatusBrief, and if the kernel doesn't report it

	path string // of the image
}

// Status returns a description of the host. It never waits for a reload, but it measures: it asks the kernel for the
// memory of all images and, if there are old ones, stops the world for a moment. With hundreds of images that takes some
// milliseconds; see StatusBrief.
func (h *Host) Status() Status {
	s := h.StatusBrief()
	h.noteFiles(s.Plugins, time.Now().Add(hashing))
	costs := h.loader.Measure(h.inUse())
	s.Left = leftoversOf(costs)
	s.Shared = sharing(h.plugins())
	for _, p := range s.Plugins {
		for i := range p.Generations {
			p.Generations[i].Memory = costs.Memory[p.Generations[i].path]
		}
	}
	return s
}

// StatusBrief returns the same as Status without measuring anything: Left, each generation's Memory and
// Shared are zero.
func (h *Host) StatusBrief() Status {
	s := Status{
		PID: os.Getpid(), Started: h.started, Store: h.opts.Store, Release: h.CurrentRelease(), Plugins: []PluginStatus{},
		Generations: len(h.loader.Opened()), HandoverDue: h.due.Load(), Probe: h.loader.Wall(), SpareProbe: h.loader.Spare(), Booting: h.booting(),
		Chains: h.chainStatus(), Disabled: h.opts.Disabled, Budget: h.opts.Budget,
	}
	if why := h.tainted.Load(); why != nil {
		s.Tainted = *why
	}
	s.Ignored = h.ignored.all()
	s.Quarantine, _ = h.store.Quarantines()    // best effort: a record that can't be read is reported when it matters
	s.Confirmed, _ = h.store.ConfirmedNumber() // the same
	triggers := map[string][]TriggerStatus{}
	for _, t := range h.triggers.Status() {
		triggers[t.Plugin] = append(triggers[t.Plugin], t)
	}
	for _, p := range h.plugins() {
		status := p.status()
		status.Triggers = triggers[p.Name]
		s.Plugins = append(s.Plugins, status)
	}
	return s
}

func (p *plugin) status() PluginStatus {
	s := PluginStatus{Name: p.Name, Mode: p.Mode, Image: p.Image, Routes: p.Routes, Generations: []GenerationStatus{}, Booting: p.isBooting()}
	p.mu.Lock()
	s.Others = p.others
	s.Last, s.Refused, s.Checkpoint, s.Kept = p.last, p.refused, p.checkpointStatus(), p.keptStatesLocked()
	old := slices.Clone(p.old)
	s.Answered, s.Durations = p.answered.now()
	s.Cut = p.cut.Load()
	if p.watched != nil {
		how := WatchStatus(p.watched.Status())
		s.Watch = &how
	}
	p.mu.Unlock()
	s.Waiting, s.Gated = p.slot.Waiting()
	s.Held, s.Waits = p.slot.Held(), p.slot.Waits()
	if g := p.serving(); g != nil {
		l := g.Value()
		s.Generation, s.Version, s.Since = l.id, l.Image().Version(), l.since
		s.Generations = append(s.Generations, statusOf(g, GenerationServing))
		s.Mismatch = l.Mismatch()
		if why := l.stopped.Load(); why != nil {
			s.Stopped = *why
		}
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
	return GenerationStatus{ID: g.ID(), State: state, Leases: g.Leases(), Running: g.Value().requests.oldest(longCall), path: g.Value().Image().Path()}
}
