package blame

import (
	"maps"
	"slices"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/crash"
)

// Suspect is a plugin's image that may have ended a process.
type Suspect struct {
	Plugin string
	Image  generations.ID
}

// Record is what decisions rest on.
type Record struct {
	// Current is the release that is to be booted.
	Current generations.Release

	// Previous returns the release before another one; ok is unset if there is none or it can't be read.
	Previous func(generations.Release) (r generations.Release, ok bool)

	// Confirmed is the last release that has passed its probation; the zero Release if there is none.
	Confirmed generations.Release

	// Quarantined reports whether an image is in quarantine.
	Quarantined func(generations.ID) bool

	// Events is the history of crashes and lifted quarantines, the oldest first.
	Events []generations.Event

	// Has reports whether the host has a plugin. A release goes on naming plugins that the host doesn't have any more.
	Has func(plugin string) bool

	// Brings returns the packages that an image alone has; ok is unset if that can't be told.
	Brings func(generations.ID) (packages map[string]struct{}, ok bool)
}

// earlier calls visit with the releases before r, the newest first, until it returns false.
func (r *Record) earlier(release generations.Release, visit func(generations.Release) bool) {
	for {
		previous, ok := r.Previous(release)
		if !ok || !visit(previous) {
			return
		}
		release = previous
	}
}

// suspectsOf returns the images of a release in the order of their plugins.
func suspectsOf(release generations.Release) (suspects []Suspect) {
	for _, plugin := range slices.Sorted(maps.Keys(release.Plugins)) {
		suspects = append(suspects, Suspect{plugin, release.Plugins[plugin].Image})
	}
	return suspects
}

// first returns the first of the releases, without a break up to the current one, that have the image of a suspect.
func (r *Record) first(s Suspect) generations.Release {
	first := r.Current
	r.earlier(r.Current, func(release generations.Release) bool {
		has := release.Plugins[s.Plugin].Image == s.Image
		if has {
			first = release
		}
		return has
	})
	return first
}

// byAge returns the images of the host's plugins in the current release, the one that came last first. Since when each is there is found
// out in one walk through the releases, each of which is read from disk.
func (r *Record) byAge() []Suspect {
	suspects := slices.DeleteFunc(suspectsOf(r.Current), func(s Suspect) bool { return !r.Has(s.Plugin) })
	since := map[string]int{} // the first of the releases without a break that has the image
	open := map[string]generations.ID{}
	for _, s := range suspects {
		since[s.Plugin], open[s.Plugin] = r.Current.Number, s.Image
	}
	r.earlier(r.Current, func(release generations.Release) bool {
		for plugin, image := range open {
			if release.Plugins[plugin].Image == image {
				since[plugin] = release.Number
			} else {
				delete(open, plugin)
			}
		}
		return len(open) > 0
	})
	slices.SortStableFunc(suspects, func(a, b Suspect) int { return since[b.Plugin] - since[a.Plugin] })
	return suspects
}

// confirmed reports whether an image has passed its probation for the plugin.
func (r *Record) confirmed(s Suspect) bool {
	return !s.Image.IsZero() && r.Confirmed.Plugins[s.Plugin].Image == s.Image
}

// crashes returns the crashes, the oldest first.
func (r *Record) crashes() []generations.Event {
	return slices.DeleteFunc(slices.Clone(r.Events), func(e generations.Event) bool { return e.Kind != generations.KindCrash })
}

// judged reports whether an earlier process has judged the crash already.
func (r *Record) judged(report crash.Report) bool {
	return slices.ContainsFunc(r.crashes(), func(e generations.Event) bool { return e.Time.Equal(report.Ended) })
}
