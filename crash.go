package sohost

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/crash"
	"github.com/sohost/sohost/native"
)

const (
	// relapse is the time in which a second crash of a confirmed image puts it into quarantine, too.
	relapse = 10 * time.Minute

	// patienceWithCrashes is how many crashes in a row with no culprit are taken for accidents.
	patienceWithCrashes = 2
)

// suspect is an image that may have ended a process.
type suspect struct {
	plugin string
	image  generations.ID
}

// quarantined is why an image must not be tried, or nil.
func (h *Host) quarantined(id generations.ID) error {
	q, is, err := h.store.Quarantined(id)
	if err != nil || !is {
		return err
	}
	return fmt.Errorf("%w since %s: %s; if that was not its fault, `sohost quarantine --lift %s` lets it be tried again",
		ErrQuarantined, q.Time.Local().Format("2006-01-02 15:04:05"), q.Reason, id.Short())
}

// judgeCrashes puts the images into quarantine that ended the processes of Options.Crashes:
//
//   - The image that the crash output names, if the plugin can go back to a confirmed one, or none is confirmed. An image that is
//     itself the confirmed one has proved itself: it is started again, unless it does it again within relapse.
//   - With no culprit: while there is a plugin whose image isn't confirmed, the one that became current last, provided that
//     there is an image to go back to. If all are confirmed, none.
//
// It tells which plugins are better left out, since crashes with no culprit don't end: one more with each.
func (h *Host) judgeCrashes(release generations.Release) (leftOut map[string]bool) {
	leftOut = map[string]bool{}
	for _, report := range h.opts.Crashes {
		trace := crash.Parse(report.Output)
		blamed, how := h.culprit(release, trace)
		known := !blamed.image.IsZero()
		switch {
		case known && h.confirmed(blamed) && !h.relapsed(blamed, report.Ended):
			h.log.Error("a confirmed image ended the worker; it gets another chance", "plugin", blamed.plugin, "image", blamed.image.Short(), "why", report.Reason())
		case known:
			h.quarantine(release, blamed, fmt.Sprintf("it ended the worker: %s, in %s", report.Reason(), how), report)
		default:
			if blamed, known = h.newest(release); known {
				h.quarantine(release, blamed, fmt.Sprintf("the worker ended (%s) while it was in probation, and nothing else is to blame", report.Reason()), report)
			}
		}
		h.remember(generations.Event{Kind: generations.KindCrash, Plugin: blamed.plugin, From: blamed.image, Release: release.Number, Detail: report.Reason()})
		if !known && h.opts.CrashesInARow > patienceWithCrashes {
			for _, s := range h.byAge(release)[:min(h.opts.CrashesInARow-patienceWithCrashes, len(release.Plugins))] {
				leftOut[s.plugin] = true
			}
		}
	}
	return leftOut
}

// culprit is the image whose code crashed, and the function; the zero suspect if that can't be told.
func (h *Host) culprit(release generations.Release, trace *crash.Trace) (suspect, string) {
	self, err := native.Self()
	if err != nil {
		return suspect{}, ""
	}
	var images []crash.Image
	of := map[string]suspect{}
	add := func(plugin string, id generations.ID) {
		object, err := h.store.Object(id)
		if err != nil {
			return
		}
		if info, err := native.InspectFile(object.Path); err == nil {
			images = append(images, crash.Image{ID: id.String(), Packages: crash.Brings(info, self.Executable)})
			of[id.String()] = suspect{plugin, id}
		}
	}
	for plugin, entry := range release.Plugins {
		add(plugin, entry.Image)
	}
	id, frame, ok := trace.Culprit(images)
	if !ok { // perhaps what an older generation left behind
		h.earlier(release, func(r generations.Release) bool {
			for plugin, entry := range r.Plugins {
				if _, known := of[entry.Image.String()]; !known {
					add(plugin, entry.Image)
				}
			}
			return release.Number-r.Number < 40
		})
		id, frame, _ = trace.Culprit(images)
	}
	return of[id], frame.String()
}

// earlier goes through the releases before r, the newest first, until visit says that it's enough.
func (h *Host) earlier(r generations.Release, visit func(generations.Release) bool) {
	for r.Previous != 0 {
		previous, err := h.store.Release(r.Previous)
		if err != nil || !visit(previous) {
			return
		}
		r = previous
	}
}

// confirmed says whether an image has passed its probation for the plugin.
func (h *Host) confirmed(s suspect) bool {
	r, err := h.store.Confirmed()
	return err == nil && r.Plugins[s.plugin].Image == s.image
}

// relapsed says whether the image has crashed lately before.
func (h *Host) relapsed(s suspect, now time.Time) bool {
	events, err := h.store.History(1000)
	return err == nil && slices.ContainsFunc(events, func(e generations.Event) bool {
		return e.Kind == generations.KindCrash && e.From == s.image && now.Sub(e.Time) < relapse
	})
}

// newest is the image in probation that became current last and has something to go back to.
func (h *Host) newest(release generations.Release) (suspect, bool) {
	for _, s := range h.byAge(release) {
		if _, back := h.fallback(release, s.plugin, s.image); back && !h.confirmed(s) {
			return s, true
		}
	}
	return suspect{}, false
}

// byAge are the images of a release, the one that came last first.
func (h *Host) byAge(release generations.Release) []suspect {
	since := map[string]int{} // the first of the releases without a break that has the image
	for plugin := range release.Plugins {
		since[plugin] = release.Number
	}
	open := maps.Clone(release.Plugins)
	h.earlier(release, func(r generations.Release) bool {
		for plugin, entry := range open {
			if r.Plugins[plugin].Image == entry.Image {
				since[plugin] = r.Number
			} else {
				delete(open, plugin)
			}
		}
		return len(open) > 0
	})
	var suspects []suspect
	for plugin, entry := range release.Plugins {
		suspects = append(suspects, suspect{plugin, entry.Image})
	}
	slices.SortFunc(suspects, func(a, b suspect) int {
		if d := since[b.plugin] - since[a.plugin]; d != 0 {
			return d
		}
		return strings.Compare(a.plugin, b.plugin)
	})
	return suspects
}

// fallback is what a plugin goes back to from an image: the confirmed one, or else the newest one before that isn't in
// quarantine.
func (h *Host) fallback(release generations.Release, plugin string, from generations.ID) (entry generations.Entry, ok bool) {
	fits := func(r generations.Release) bool {
		e, has := r.Plugins[plugin]
		if !has || e.Image == from || h.quarantined(e.Image) != nil {
			return false
		}
		entry, ok = e, true
		return true
	}
	if r, err := h.store.Confirmed(); err == nil && fits(r) {
		return entry, true
	}
	h.earlier(release, func(r generations.Release) bool { return !fits(r) })
	return entry, ok
}

// quarantine keeps an image from being tried again.
func (h *Host) quarantine(release generations.Release, s suspect, reason string, report crash.Report) {
	if h.quarantined(s.image) != nil {
		return
	}
	h.log.Error("quarantine", "plugin", s.plugin, "image", s.image.Short(), "why", reason)
	err := h.store.Quarantine(generations.Quarantine{
		Image: s.image, Plugin: s.plugin, Release: release.Number, Time: report.Ended, Reason: reason, Detail: report.Output,
	})
	if err != nil {
		h.log.Error("quarantine", "plugin", s.plugin, "image", s.image.Short(), "err", err)
	}
}

// Quarantines lists the images in quarantine, the oldest first.
func (h *Host) Quarantines() ([]generations.Quarantine, error) { return h.store.Quarantines() }

// LiftQuarantine lets an image be tried again, of which the beginning of the id is given, and returns what stood against it.
// The error is generations.ErrNotQuarantined if there is none.
func (h *Host) LiftQuarantine(prefix string) (generations.Quarantine, error) {
	all, err := h.store.Quarantines()
	if err != nil {
		return generations.Quarantine{}, err
	}
	var found []generations.Quarantine
	for _, q := range all {
		if prefix != "" && strings.HasPrefix(q.Image.String(), prefix) {
			found = append(found, q)
		}
	}
	switch len(found) {
	case 0:
		return generations.Quarantine{}, fmt.Errorf("image %q: %w; `sohost quarantine` lists those that are", prefix, generations.ErrNotQuarantined)
	case 1:
	default:
		return generations.Quarantine{}, fmt.Errorf("image %q: %d images in quarantine begin so; give more of its id", prefix, len(found))
	}
	if err := h.store.LiftQuarantine(found[0].Image); err != nil {
		return generations.Quarantine{}, err
	}
	h.forgive(found[0].Image)
	return found[0], nil
}

// forgive lets a change of a plugin's file bring an image again that was refused for its quarantine.
func (h *Host) forgive(id generations.ID) {
	for _, p := range h.index.Load().sorted() {
		p.mu.Lock()
		if p.refused != nil && p.refused.Image == id {
			p.refused = nil
		}
		p.mu.Unlock()
	}
}
