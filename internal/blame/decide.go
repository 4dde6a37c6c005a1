package blame

import (
	"slices"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/crash"
)

const (
	// relapse is the time in which a second crash shows that the first was no accident.
	relapse = 10 * time.Minute

	// patienceWithCrashes is how many crashes in a row with nobody to blame are taken for accidents.
	patienceWithCrashes = 2

	// patienceWithKills is the same for processes that were killed from outside. Whoever did that, an operator or a kernel that
	// ran out of memory, most often had no plugin in mind.
	patienceWithKills = 10
)

// Condemns reports whether the image goes into quarantine for a crash at that time. It does
//
//   - if it is in probation and there is another one to go back to
//   - if there is none, or it has passed its probation, and it has crashed once before within relapse: until then it is the best
//     there is, or has proved itself, and is started again. One that has passed its probation must be named by the stack for that;
//     for the others LeftOut does.
func (r *Record) Condemns(f Finding, ended time.Time) bool {
	if f.Image.IsZero() || r.Quarantined(f.Image) {
		return false
	}
	confirmed := r.confirmed(f.Suspect)
	if !confirmed && r.hasFallback(f.Suspect) {
		return true
	}
	return (f.Named || !confirmed) && r.relapsed(f.Suspect, ended)
}

// relapsed reports whether the image has crashed lately before, and its quarantine was not lifted since.
func (r *Record) relapsed(s Suspect, now time.Time) bool {
	for _, e := range slices.Backward(r.Events) {
		switch {
		case e.From != s.Image:
		case e.Kind == generations.KindLift:
			return false
		case e.Kind == generations.KindCrash:
			return now.Sub(e.Time) < relapse
		}
	}
	return false
}

// LeftOut returns the plugins not to boot, because workers keep crashing and quarantine has not stopped that:
//
//   - those whose image was blamed more than once in the present row of crashes
//   - with the third crash in the row that nobody is to blame for, the plugin whose image came last; with the fourth, that before it,
//     and so on; with the eleventh if the workers were killed from outside. If it was none of them alone, the last two are left out, then
//     the last three, until all are.
//
// inARow is how many crashes the row has.
func (r *Record) LeftOut(inARow int, now time.Time) map[string]bool {
	out := map[string]bool{}
	blamed, nobody, killed := map[generations.ID]int{}, 0, 0
	for _, e := range r.lastCrashes(inARow, now) {
		switch {
		case !e.From.IsZero():
			blamed[e.From]++
		case e.Detail == crash.Killed:
			killed++
		default:
			nobody++
		}
	}
	var suspects []string
	for _, s := range r.byAge() {
		if blamed[s.Image] > 1 && !r.Quarantined(s.Image) {
			out[s.Plugin] = true
		} else {
			suspects = append(suspects, s.Plugin)
		}
	}
	if n := max(nobody-patienceWithCrashes, killed-patienceWithKills); n > 0 && len(suspects) > 0 {
		for _, plugin := range turn(suspects, n) {
			out[plugin] = true
		}
	}
	return out
}

// turn returns whose turn it is to be left out at the n-th time: each alone, and then more and more together.
func turn(suspects []string, n int) []string {
	if n <= len(suspects) {
		return suspects[n-1 : n]
	}
	return suspects[:min(n-len(suspects)+1, len(suspects))]
}

// lastCrashes returns the last n crashes, without those too long ago to have to do with the others.
func (r *Record) lastCrashes(n int, now time.Time) []generations.Event {
	all := r.crashes()
	return slices.DeleteFunc(all[max(0, len(all)-n):], func(e generations.Event) bool { return now.Sub(e.Time) > relapse })
}
