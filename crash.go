package sohost

import (
	"fmt"
	"maps"
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

	// rememberedEvents is how far back the history is read.
	rememberedEvents = 1000
)

// judgeCrashes decides what becomes of the images that ended the processes of Options.Crashes, see judge, and tells which
// plugins are better left out of this boot.
func (h *Host) judgeCrashes(release generations.Release) (leftOut map[string]bool) {
	tried := h.takeTrials()
	loose := map[string]bool{}
	for _, report := range h.opts.Crashes {
		if h.judged(report) {
			continue
		}
		a := h.accuse(release, report, tried)
		if err := h.judge(release, report, a); err != nil {
			h.log.Error("quarantine", "plugin", a.plugin, "image", a.image.Short(), "err", err)
			loose[a.plugin] = true
		}
	}
	leftOut = h.leftOut(release)
	maps.Copy(leftOut, loose)
	return leftOut
}

// judge puts the image that ended a process into quarantine:
//
//   - if it is in probation and there is another one to go back to
//   - if there is none, or it has passed its probation, and it has done the same before within relapse: until then it has
//     proved itself, or is the best that there is, and is started again. One that has passed its probation must be named for
//     that: leftOut does for the others.
//
// If nobody is to blame there is nothing to do but to start again. See leftOut for what comes of that when it doesn't end. The
// error says that an image that ought to be in quarantine isn't.
func (h *Host) judge(release generations.Release, report crash.Report, a accused) (err error) {
	why := fmt.Sprintf("it ended the worker: %s, %s", report.Reason(), a.evidence)
	switch {
	case a.image.IsZero():
	case h.quarantined(a.image) != nil:
	case !h.confirmed(a.suspect) && (h.goesBack(release, a.suspect) || h.relapsed(a.suspect, report.Ended)),
		a.named && h.relapsed(a.suspect, report.Ended):
		h.log.Error("quarantine", "plugin", a.plugin, "image", a.image.Short(), "why", why)
		err = h.store.Quarantine(generations.Quarantine{
			Image: a.image, Plugin: a.plugin, Release: release.Number, Time: report.Ended, Reason: why, Detail: report.Output,
		})
	default:
		h.log.Error("the worker died of an image that gets another chance", "plugin", a.plugin, "image", a.image.Short(), "why", why)
	}
	// With the time of the crash, by which judged knows it. A worker that dies at its boot leaves the judgement to the next one
	// otherwise, and what happened once would count twice.
	noted := h.store.AppendEvent(generations.Event{
		Time: report.Ended, Kind: generations.KindCrash, Plugin: a.plugin, From: a.image, Release: release.Number, Detail: report.Reason(),
	})
	if noted != nil {
		h.log.Warn("write history", "err", noted)
	}
	return err
}

// leftOut are the plugins that must not be booted, since crashes don't end that no quarantine can end:
//
//   - those whose image was blamed more than once in the present row of crashes
//   - with the third crash in the row that nobody is to blame for, the plugin whose image came last; with the next one, that
//     before it, and so on; with the eleventh if they were killed from outside. If it was none of them alone, the last two are left out, then the last three, until all are.
func (h *Host) leftOut(release generations.Release) map[string]bool {
	out := map[string]bool{}
	blamed, nobody, killed := map[generations.ID]int{}, 0, 0
	for _, e := range h.lastCrashes(h.opts.CrashesInARow) {
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
	for _, s := range h.byAge(release) {
		if blamed[s.image] > 1 && h.quarantined(s.image) == nil {
			out[s.plugin] = true
		} else {
			suspects = append(suspects, s.plugin)
		}
	}
	if n := max(nobody-patienceWithCrashes, killed-patienceWithKills); n > 0 && len(suspects) > 0 {
		for _, plugin := range turn(suspects, n) {
			out[plugin] = true
		}
	}
	return out
}

// turn is whose turn it is to be left out at the n-th time: each alone, and then more and more together.
func turn(suspects []string, n int) []string {
	if n <= len(suspects) {
		return suspects[n-1 : n]
	}
	return suspects[:min(n-len(suspects)+1, len(suspects))]
}

// crashes are the crashes that the history has, the oldest first.
func (h *Host) crashes() []generations.Event {
	events, _ := h.store.History(rememberedEvents) // what can't be read didn't happen: to doubt all images would be worse
	return slices.DeleteFunc(events, func(e generations.Event) bool { return e.Kind != generations.KindCrash })
}

// lastCrashes are the last n crashes of those that may have to do with each other.
func (h *Host) lastCrashes(n int) []generations.Event {
	all := h.crashes()
	return slices.DeleteFunc(all[max(0, len(all)-n):], func(e generations.Event) bool { return time.Since(e.Time) > relapse })
}

// judged says whether an earlier process has judged the crash already.
func (h *Host) judged(report crash.Report) bool {
	return slices.ContainsFunc(h.crashes(), func(e generations.Event) bool { return e.Time.Equal(report.Ended) })
}

// relapsed says whether the image has crashed lately before, and nobody has pardoned it since.
func (h *Host) relapsed(s suspect, now time.Time) bool {
	events, _ := h.store.History(rememberedEvents)
	for _, e := range slices.Backward(events) {
		switch {
		case e.From != s.image:
		case e.Kind == generations.KindLift:
			return false
		case e.Kind == generations.KindCrash:
			return now.Sub(e.Time) < relapse
		}
	}
	return false
}
