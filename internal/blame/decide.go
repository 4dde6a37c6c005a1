package blame

import (
	"slices"
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

	// patienceWithKills is the same for processes that were killed from outside. The killer, an operator or a kernel
	// that ran out of memory, most often had no plugin in mind.
	patienceWithKills = 10
)

// Condemns reports whether the image of a finding goes into quarantine for a crash at that time. It does
//
//   - if it is in probation and there is another image to go back to
//   - if there is none, or the image has passed its probation, and it has crashed once before within relapse. Until
//     then it is started again, because it is the best there is or has proved itself. If it has passed its probation,
//     the stack must name it as well; if the stack doesn't, LeftOut applies instead.
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

// relapsed reports whether the image's last crash was less than relapse ago, and its quarantine was not lifted since.
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
//   - with the third crash in the row that nobody is to blame for, the plugin whose image came last; with the fourth,
//     the one before it, and so on. If the workers were killed from outside, this begins with the eleventh. Once every
//     plugin has had its turn, the last two are left out together, then the last three, until all are.
//
// inARow is how many crashes the row has. Those more than relapse ago are not counted.
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

// turn returns the plugins that are left out at the n-th time, n counted from 1: each alone, and then more and more
// together.
func turn(suspects []string, n int) []string {
	if n <= len(suspects) {
		return suspects[n-1 : n]
	}
	return suspects[:min(n-len(suspects)+1, len(suspects))]
}

// lastCrashes returns the last n crashes, without those too long ago to be related to the others.
func (r *Record) lastCrashes(n int, now time.Time) []generations.Event {
	all := r.crashes()
	return slices.DeleteFunc(all[max(0, len(all)-n):], func(e generations.Event) bool { return now.Sub(e.Time) > relapse })
}
