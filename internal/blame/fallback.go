package blame

import "github.com/sohost/sohost/generations"

// Fallback returns the entry that a plugin goes back to from an image: the one in the confirmed release, or else in the
// newest release that has a usable one. An image in quarantine is not usable, nor is the one that a rollback has
// replaced, since the rollback was ordered to get rid of it.
func (r *Record) Fallback(from Suspect) (entry generations.Entry, ok bool) {
	var left generations.ID
	if r.first(from).RollbackOf != 0 {
		left = r.Current.Plugins[from.Plugin].Skipped
	}
	fits := func(release generations.Release) bool {
		e, has := release.Plugins[from.Plugin]
		if !has || e.Image == from.Image || e.Image == left || r.Quarantined(e.Image) {
			return false
		}
		entry, ok = e, true
		return true
	}
	if fits(r.Confirmed) || fits(r.Current) {
		return entry, true
	}
	r.earlier(r.Current, func(release generations.Release) bool { return !fits(release) })
	return entry, ok
}

// LastGood returns the entry that the confirmed release has for the plugin, if that is another usable image: see Fallback.
func (r *Record) LastGood(from Suspect) (entry generations.Entry, ok bool) {
	entry, ok = r.Fallback(from)
	return entry, ok && entry.Image == r.Confirmed.Plugins[from.Plugin].Image
}

// hasFallback reports whether the plugin has another image to go back to.
func (r *Record) hasFallback(s Suspect) bool {
	_, ok := r.Fallback(s)
	return ok
}
