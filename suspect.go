package sohost

import (
	"maps"
	"slices"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/crash"
	"github.com/sohost/sohost/native"
)

// suspect is a plugin's image that may have ended a process.
type suspect struct {
	plugin string
	image  generations.ID
}

// accused is the suspect who is to blame; the zero one is nobody.
type accused struct {
	suspect
	named    bool   // by the process itself
	evidence string // in words, to follow the reason of the crash
}

// accuse finds whose fault a crash was. The first that applies counts:
//
//   - the image whose code the process names as what crashed
//   - the image that was being tried: its New, its Start or its init may have ended the process without a word
//   - the image in probation that came last, if there is another one to go back to
func (h *Host) accuse(release generations.Release, report crash.Report, tried []suspect) accused {
	if s, frame, ok := h.culprit(release, crash.Parse(report.Output), tried); ok {
		return accused{s, true, "in " + frame.String()}
	}
	if len(tried) > 0 {
		return accused{tried[0], false, "while this image was being tried"}
	}
	for _, s := range h.byAge(release) {
		if !h.confirmed(s) && h.quarantined(s.image) == nil && h.goesBack(release, s) {
			return accused{s, false, "while this image was in probation, and nothing else is to blame"}
		}
	}
	return accused{}
}

// culprit is the image whose code crashed, and the call that shows it.
func (h *Host) culprit(release generations.Release, trace *crash.Trace, tried []suspect) (suspect, crash.Frame, bool) {
	self, err := native.Self()
	if err != nil || len(trace.Goroutines) == 0 {
		return suspect{}, crash.Frame{}, false
	}
	var images []crash.Image
	of := map[string]suspect{}
	add := func(suspects []suspect) {
		for _, s := range suspects {
			object, err := h.store.Object(s.image)
			if _, known := of[s.image.String()]; known || err != nil {
				continue
			}
			if info, err := native.InspectFile(object.Path); err == nil {
				images = append(images, crash.Image{ID: s.image.String(), Packages: crash.Brings(info, self.Executable)})
				of[s.image.String()] = s
			}
		}
	}
	add(tried)
	add(h.byAge(release))
	id, frame, ok := trace.Culprit(images)
	if !ok { // perhaps what an older generation left behind
		h.earlier(release, func(r generations.Release) bool {
			add(suspectsOf(r))
			return release.Number-r.Number < 40
		})
		id, frame, ok = trace.Culprit(images)
	}
	return of[id], frame, ok
}

// suspectsOf are the images of a release in the order of their plugins.
func suspectsOf(r generations.Release) (suspects []suspect) {
	for _, plugin := range slices.Sorted(maps.Keys(r.Plugins)) {
		suspects = append(suspects, suspect{plugin, r.Plugins[plugin].Image})
	}
	return suspects
}

// byAge are the images of the host's plugins in a release, the one that came last first. A release goes on naming plugins that
// the host doesn't have any more.
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
	suspects := slices.DeleteFunc(suspectsOf(release), func(s suspect) bool { return h.index.Load().names[s.plugin] == nil })
	slices.SortStableFunc(suspects, func(a, b suspect) int { return since[b.plugin] - since[a.plugin] })
	return suspects
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

// goesBack says whether the plugin has another image to go back to.
func (h *Host) goesBack(release generations.Release, s suspect) bool {
	_, ok := h.fallback(release, s)
	return ok
}

// cameBack says whether the image serves because of a rollback.
func (h *Host) cameBack(release generations.Release, s suspect) bool {
	first := release // of those without a break that have the image
	h.earlier(release, func(r generations.Release) bool {
		has := r.Plugins[s.plugin].Image == s.image
		if has {
			first = r
		}
		return has
	})
	return first.RollbackOf != 0
}

// fallback is what a plugin goes back to from an image: the confirmed one, or else the newest one that isn't in quarantine. An
// image that was rolled back from does not come back so.
func (h *Host) fallback(release generations.Release, from suspect) (entry generations.Entry, ok bool) {
	var left generations.ID
	if h.cameBack(release, from) {
		left = release.Plugins[from.plugin].Skipped
	}
	fits := func(r generations.Release) bool {
		e, has := r.Plugins[from.plugin]
		if !has || e.Image == from.image || e.Image == left || h.quarantined(e.Image) != nil {
			return false
		}
		entry, ok = e, true
		return true
	}
	if r, err := h.store.Confirmed(); err == nil && fits(r) || fits(release) {
		return entry, true
	}
	h.earlier(release, func(r generations.Release) bool { return !fits(r) })
	return entry, ok
}
