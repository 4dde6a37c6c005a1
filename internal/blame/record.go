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

// Record holds the facts that decisions are based on.
type Record struct {
	// Current is the release to boot.
	Current generations.Release

	// Previous returns the release before the given one. ok is unset if there is none or it can't be read.
	Previous func(generations.Release) (r generations.Release, ok bool)

	// Confirmed is the last release that has passed its probation, or the zero Release if there is none.
	Confirmed generations.Release

	// Quarantined reports whether an image is in quarantine.
	Quarantined func(generations.ID) bool

	// Events is the history of crashes, lifted quarantines and plugins left out, oldest first.
	Events []generations.Event

	// Has reports whether the host has a plugin of that name. Releases keep naming plugins that the host no longer has.
	Has func(plugin string) bool

	// OwnPackages returns the packages of an image that neither the program nor the standard library has. ok is unset if the
	// image can't be read.
	OwnPackages func(generations.ID) (packages map[string]struct{}, ok bool)

	// HostPackage reports whether a package is the program's own: neither an image's nor the standard library's.
	HostPackage func(pkg string) bool
}

// earlier calls visit with the releases before release, newest first, until visit returns false.
func (r *Record) earlier(release generations.Release, visit func(generations.Release) bool) {
	for {
		previous, ok := r.Previous(release)
		if !ok || !visit(previous) {
			return
		}
		release = previous
	}
}

// RolledBack reports whether the suspect's image, which the current release names, came by a rollback that was ordered.
func (r *Record) RolledBack(s Suspect) bool { return r.first(s).RollbackOf != 0 }

// LeftOutBefore returns how often the plugin was left out not long ago.
func (r *Record) LeftOutBefore(plugin string, now generations.Moment) (n int) {
	for _, e := range r.Events {
		if e.Kind == generations.KindLeaveOut && e.Plugin == plugin && within(2*maxCooldown, e.When(), now) {
			n++
		}
	}
	return n
}

// suspectsOf returns the images of a release, ordered by plugin name.
func suspectsOf(release generations.Release) (suspects []Suspect) {
	for _, plugin := range slices.Sorted(maps.Keys(release.Plugins)) {
		suspects = append(suspects, Suspect{plugin, release.Plugins[plugin].Image})
	}
	return suspects
}

// first returns the release with which the suspect's image came: the first of the unbroken line of releases up to the
// current one that have it.
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

// byAge returns the images of the host's plugins in the current release, newest first. One walk through the releases
// finds out since when each image is there, because every release is read from disk.
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

// confirmed reports whether the image has passed its probation as that plugin's.
func (r *Record) confirmed(s Suspect) bool {
	return !s.Image.IsZero() && r.Confirmed.Plugins[s.Plugin].Image == s.Image
}

// crashes returns the crashes, oldest first.
func (r *Record) crashes() []generations.Event {
	return slices.DeleteFunc(slices.Clone(r.Events), func(e generations.Event) bool { return e.Kind != generations.KindCrash })
}

// judged reports whether an earlier process has already judged the crash.
func (r *Record) judged(report crash.Report) bool {
	return slices.ContainsFunc(r.crashes(), func(e generations.Event) bool { return e.Time.Equal(report.Ended) })
}
