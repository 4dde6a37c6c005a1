package blame

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/crash"
	"github.com/sohost/sohost/native"
)

// ErrQuarantined is returned when an image is in quarantine because it has ended a process.
var ErrQuarantined = errors.New("in quarantine")

// Judge reads the facts from a store and acts on what a Record decides.
type Judge struct {
	Store  *generations.Store
	Logger *slog.Logger
}

// Quarantined returns why an image must not be tried, or nil if it may.
func (j *Judge) Quarantined(id generations.ID) error {
	q, is, err := j.Store.Quarantined(id)
	if err != nil { // it can't be read for any image: better to risk a bad one than to serve none
		j.Logger.Error("read quarantine", "image", id.Short(), "err", err)
		return nil
	}
	if !is {
		return nil
	}
	return &QuarantinedError{q}
}

// QuarantinedError reports why an image is in quarantine. It matches ErrQuarantined.
type QuarantinedError struct{ generations.Quarantine }

func (e *QuarantinedError) Error() string {
	again := ""
	if !e.Next.IsZero() {
		again = fmt.Sprintf("it is tried again at %s; ", e.Next.Local().Format("15:04:05"))
	}
	return fmt.Sprintf("%v since %s: %s; %sif that was not its fault, `sohost quarantine --lift %s` lets it be tried again at once",
		ErrQuarantined, e.Time.Local().Format("2006-01-02 15:04:05"), e.Reason, again, e.Image.Short())
}

func (e *QuarantinedError) Is(target error) bool { return target == ErrQuarantined }

// rememberedEvents is how many events of the history are read.
const rememberedEvents = 1000

// Record returns the facts as they are now. has reports whether the host has a plugin of that name.
func (j *Judge) Record(current generations.Release, has func(plugin string) bool) *Record {
	r := &Record{
		Current:     current,
		Previous:    j.previous(),
		Quarantined: func(id generations.ID) bool { return j.Quarantined(id) != nil },
		Has:         has,
		OwnPackages: j.ownPackages,
		HostPackage: hostPackage,
	}
	if confirmed, err := j.Store.Confirmed(); err == nil {
		r.Confirmed = confirmed
	}
	// Events that can't be read are treated as if they hadn't happened: the alternative is to doubt every image.
	events, _ := j.Store.History(rememberedEvents)
	r.Events = slices.DeleteFunc(events, func(e generations.Event) bool {
		return e.Kind != generations.KindCrash && e.Kind != generations.KindLift && e.Kind != generations.KindLeaveOut
	})
	return r
}

// previous returns a function that reads each release from disk once.
func (j *Judge) previous() func(generations.Release) (generations.Release, bool) {
	type read struct {
		release generations.Release
		ok      bool
	}
	known := map[int]read{}
	return func(r generations.Release) (generations.Release, bool) {
		if r.Previous == 0 {
			return generations.Release{}, false
		}
		p, has := known[r.Previous]
		if !has {
			release, err := j.Store.Release(r.Previous)
			p = read{release, err == nil}
			known[r.Previous] = p
		}
		return p.release, p.ok
	}
}

func (j *Judge) ownPackages(id generations.ID) (map[string]struct{}, bool) {
	object, err := j.Store.Object(id)
	if err != nil {
		return nil, false
	}
	self, err := native.Self()
	if err != nil {
		return nil, false
	}
	info, err := native.InspectFile(object.Path)
	if err != nil {
		return nil, false
	}
	return crash.OwnPackages(info, self.Executable), true
}

// hostPackage reports whether a package is this program's own.
func hostPackage(pkg string) bool {
	if pkg == "main" {
		return true
	}
	self, err := native.Self()
	if err != nil {
		return false
	}
	_, has := self.Executable.Packages[pkg]
	return has && !self.Executable.Standard(pkg)
}

// Judge decides on each report of a crash: it quarantines the image responsible, if Condemns says so, and records the
// crash in the history. Reports that an earlier process has judged are skipped. tried are the images that were being
// tried when the last process ended, and inARow is how many crashes came one soon after the other.
//
// It returns the plugins not to boot: those that LeftOut returns, and those whose image should be in quarantine but
// could not be put there.
func (j *Judge) Judge(r *Record, reports []crash.Report, inARow int, tried []Suspect) (leftOut map[string]bool) {
	loose := map[string]bool{}
	for _, report := range reports {
		if r.judged(report) {
			continue
		}
		f := r.Find(report, tried)
		if err := j.act(r, report, f); err != nil {
			j.Logger.Error("put image into quarantine", "plugin", f.Plugin, "image", f.Image.Short(), "err", err)
			loose[f.Plugin] = true
		}
	}
	leftOut = r.LeftOut(inARow, generations.Now())
	for plugin := range loose {
		leftOut[plugin] = true
	}
	return leftOut
}

// act carries out the decision on one crash. The error means that an image that should be in quarantine isn't.
func (j *Judge) act(r *Record, report crash.Report, f Finding) (err error) {
	why := report.Reason()
	if f.Evidence != "" {
		why += ", " + f.Evidence
	}
	switch {
	case r.Condemns(f, report.When()):
		next := r.Next(f, report.When(), 0)
		j.Logger.Error("quarantine", "plugin", f.Plugin, "image", f.Image.Short(), "why", why, "evidence", f.Strength)
		err = j.Store.Quarantine(generations.Quarantine{
			Image: f.Image, Plugin: f.Plugin, Release: r.Current.Number, Time: report.Ended, Detail: report.Output,
			Reason:   "it ended the worker: " + why,
			Evidence: string(f.Strength), Next: next.Time, NextUptime: next.Uptime,
		})
	case !f.Image.IsZero() && r.Quarantined(f.Image):
		j.again(r, report, f, why)
	case !f.Image.IsZero():
		j.Logger.Error("the worker died of an image that gets another chance", "plugin", f.Plugin, "image", f.Image.Short(), "why", why,
			"evidence", f.Strength)
	case len(f.Suspects) > 0:
		j.Logger.Error("the worker died, and several images may be the reason", "why", why, "suspects", names(f.Suspects))
	case f.Strength == Outside:
		j.Logger.Error("the worker was ended because somebody had stopped it, and no image is blamed", "why", why)
	case f.Strength == Host:
		j.Logger.Error("the worker died of the server's own code, and no image is blamed", "why", why)
	}
	// Recorded with the time of the crash, by which judged recognizes it: if this process dies while it boots, the next
	// one gets the same report, and one crash must not count twice.
	crashed := generations.Event{
		Time: report.Ended, Uptime: report.Uptime, Kind: generations.KindCrash, Plugin: f.Plugin, From: f.Image, Release: r.Current.Number,
		Detail: why, Evidence: string(f.Strength), Suspects: f.Suspects[:min(len(f.Suspects), maxSuspects)],
	}
	if report.Program != "" {
		crashed.Detail += "; the program " + report.Program + " was in probation, and the one before runs again"
	}
	if err := j.Store.AppendEvent(crashed); err != nil {
		j.Logger.Warn("write history", "err", err)
	}
	r.Events = append(r.Events, crashed)
	return err
}

// maxSuspects is how many suspects an event in the history has: a line there has a limit.
const maxSuspects = 100

// names returns the suspects in words, the likeliest first.
func names(suspects []generations.Suspicion) (named []string) {
	for _, s := range suspects {
		named = append(named, fmt.Sprintf("%s %s (%.0f %%)", s.Plugin, s.Image.Short(), 100*s.Share))
	}
	return named
}

// again notes that an image has ended a process that tried it again although it was in quarantine. That is proof enough, and if
// there is another image, it isn't tried any more.
func (j *Judge) again(r *Record, report crash.Report, f Finding, why string) {
	q, is, err := j.Store.Quarantined(f.Image)
	if err != nil || !is || q.Tries == 0 || f.Strength == Weak {
		return
	}
	f.Strength = Certain
	q.Reason, q.Detail = fmt.Sprintf("it ended the worker again, when it was tried for the %s time: %s", ordinal(q.Tries+1), why), report.Output
	next := r.Next(f, report.When(), q.Tries)
	q.Evidence, q.Next, q.NextUptime = string(Certain), next.Time, next.Uptime
	if err := j.Store.UpdateQuarantine(q); err != nil {
		j.Logger.Error("write quarantine", "plugin", f.Plugin, "image", f.Image.Short(), "err", err)
	}
}

// ordinal returns n in words such as 2nd.
func ordinal(n int) string {
	end := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			end = "st"
		case 2:
			end = "nd"
		case 3:
			end = "rd"
		}
	}
	return fmt.Sprint(n, end)
}
