package blame

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/crash"
)

const (
	// relapse is how soon after a crash a second one shows that the first was no accident. It is also how long a crash
	// is considered part of a row.
	relapse = 10 * time.Minute

	// patienceWithCrashes is how many crashes in a row with nobody to blame are treated as accidents.
	patienceWithCrashes = 2

	// patienceWithOthers is the same for processes that were killed from outside, and for those that the host's own code
	// has ended. The killer, an operator or a kernel that ran out of memory, most often had no plugin in mind.
	patienceWithOthers = 10

	firstCooldown = time.Minute
	maxCooldown   = time.Hour
)

// Cooldown returns how long to wait before an image or a plugin that ended processes is tried again for the n-th time, n counted
// from 0: a minute, then twice as long each time, up to an hour.
func Cooldown(n int) time.Duration {
	if n > 5 {
		return maxCooldown
	}
	return firstCooldown << n
}

// Condemns reports whether the image of a finding goes into quarantine for a crash at that time. It does if the evidence isn't
// weak, and
//
//   - if it is in probation and there is another image to go back to
//   - if there is none, or the image has passed its probation, and it has crashed once before within relapse. Until
//     then it is started again, because it is the best there is or has proved itself.
func (r *Record) Condemns(f Finding, ended generations.Moment) bool {
	if f.Image.IsZero() || f.Strength == Weak || r.Quarantined(f.Image) {
		return false
	}
	return !r.confirmed(f.Suspect) && r.hasFallback(f.Suspect) || f.deaths > 1 || r.relapsed(f.Suspect, ended)
}

// relapsed reports whether the image's last crash was less than relapse ago, and its quarantine was not lifted since.
func (r *Record) relapsed(s Suspect, now generations.Moment) bool {
	for _, e := range slices.Backward(r.Events) {
		switch {
		case e.From != s.Image:
		case e.Kind == generations.KindLift:
			return false
		case e.Kind == generations.KindCrash:
			return within(relapse, e.When(), now)
		}
	}
	return false
}

// Next returns when the image of a finding that goes into quarantine is tried again; the zero Moment if only a person may lift its
// quarantine. That is if the evidence is certain, and there is another image to go back to. tries is how often it was tried again
// before.
func (r *Record) Next(f Finding, ended generations.Moment, tries int) generations.Moment {
	if f.Strength == Certain && r.hasFallback(f.Suspect) {
		return generations.Moment{}
	}
	return ended.Add(Cooldown(tries))
}

// LeftOut returns the plugins not to boot, because workers keep crashing and quarantine has not stopped that:
//
//   - those whose image was blamed more than once in the present row of crashes
//   - with the third crash in the row that nobody is to blame for, the plugin that was suspected most; with the fourth, the next
//     one, and so on. Of plugins that were suspected equally the one whose image came last is the first. If the workers were killed or
//     stopped from outside, or died of the host's own code, this begins with the eleventh. Once every plugin has had its turn, the first
//     two are left out together, then the first three, until all are.
//
// inARow is how many crashes the row has. Those more than relapse ago are not counted.
func (r *Record) LeftOut(inARow int, now generations.Moment) map[string]bool {
	out, suspects, n := r.turns(inARow, now)
	if n > 0 && len(suspects) > 0 {
		for _, s := range turn(suspects, n) {
			out[s.Plugin] = true
		}
	}
	return out
}

// InVain reports whether workers keep crashing although every plugin has had its turn of being left out alone. Then fallbacks don't
// help, either.
func (r *Record) InVain(inARow int, now generations.Moment) bool {
	_, suspects, n := r.turns(inARow, now)
	return n > len(suspects)
}

// turns returns the plugins whose image was blamed more than once in a row of crashes, and the suspects that take turns at being left
// out for the others, with the number of the present turn. There is none if it is not positive.
func (r *Record) turns(inARow int, now generations.Moment) (out map[string]bool, suspects []Suspect, n int) {
	out = map[string]bool{}
	blamed, suspicion, nobody, others := map[generations.ID]int{}, map[string]float64{}, 0, 0
	for _, e := range r.lastCrashes(inARow, now) {
		for _, s := range e.Suspects {
			suspicion[s.Plugin] += s.Share
		}
		switch {
		case !e.From.IsZero() && Strength(e.Evidence) != Weak:
			if !r.liftedSince(e) {
				blamed[e.From]++
			}
		case strings.HasPrefix(e.Detail, crash.Killed), Strength(e.Evidence) == Host, Strength(e.Evidence) == Outside:
			others++
		default:
			nobody++
		}
	}
	for _, s := range r.byAge() {
		if blamed[s.Image] > 1 && !r.Quarantined(s.Image) {
			out[s.Plugin] = true
		} else {
			suspects = append(suspects, s)
		}
	}
	slices.SortStableFunc(suspects, func(a, b Suspect) int { return cmp.Compare(suspicion[b.Plugin], suspicion[a.Plugin]) })
	return out, suspects, max(nobody-patienceWithCrashes, others-patienceWithOthers)
}

// liftedSince reports whether the quarantine of the image to blame for a crash was lifted later.
func (r *Record) liftedSince(crashed generations.Event) bool {
	for _, e := range slices.Backward(r.Events) {
		switch {
		case e.From != crashed.From:
		case e.Kind == generations.KindLift:
			return true
		case e.Kind == generations.KindCrash && e.Time.Equal(crashed.Time):
			return false
		}
	}
	return false
}

// Suspected returns the plugin's image that was suspected last in a row of crashes, which need not be the one that the current
// release names; the zero ID if none was since that one came.
func (r *Record) Suspected(plugin string, inARow int, now generations.Moment) (image generations.ID) {
	since := r.first(Suspect{plugin, r.Current.Plugins[plugin].Image}).Number
	for _, e := range r.lastCrashes(inARow, now) {
		if e.Release < since { // of an image that was replaced meanwhile
			continue
		}
		for _, s := range e.Suspects {
			if s.Plugin == plugin {
				image = s.Image
			}
		}
	}
	return image
}

// Doubtful returns the plugins that the last crash made suspect by at least a share, without evidence against one of them.
func (r *Record) Doubtful(share float64) (plugins []string) {
	crashes := r.crashes()
	if len(crashes) == 0 || Strength(crashes[len(crashes)-1].Evidence) != Weak {
		return nil
	}
	for _, s := range crashes[len(crashes)-1].Suspects {
		if s.Share >= share {
			plugins = append(plugins, s.Plugin)
		}
	}
	return plugins
}

// turn returns the plugins that are left out at the n-th time, n counted from 1: each alone, and then more and more
// together.
func turn(suspects []Suspect, n int) []Suspect {
	if n <= len(suspects) {
		return suspects[n-1 : n]
	}
	return suspects[:min(n-len(suspects)+1, len(suspects))]
}

// lastCrashes returns the last n crashes, without those too long ago to be related to the others.
func (r *Record) lastCrashes(n int, now generations.Moment) []generations.Event {
	all := r.crashes()
	return slices.DeleteFunc(all[max(0, len(all)-n):], func(e generations.Event) bool { return !within(relapse, e.When(), now) })
}

// within reports whether no more than limit lies between two moments, whichever is the later: where only the time of day is known the
// clock may have been set back in between, and a crash that seems to lie far ahead is as unrelated as one long ago.
func within(limit time.Duration, a, b generations.Moment) bool { return a.Sub(b).Abs() <= limit }
