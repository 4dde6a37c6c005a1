package blame

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/crash"
	"github.com/sohost/sohost/internal/inflight"
)

// Strength is how much the evidence of a finding is worth.
type Strength string

const (
	// Certain: the stack names the image.
	Certain Strength = "certain"

	// Strong: no other image's code was running, or it is far more likely than all others: see narrow.
	Strong Strength = "strong"

	// Weak: others may have done it as well, or the process may have been killed from outside.
	Weak Strength = "weak"

	// Host: the stack names the host's own code, and no image's.
	Host Strength = "host"

	// Outside: somebody had stopped the process, and no image.
	Outside Strength = "outside"
)

// Finding says which image is to blame for a crash. The zero Finding means that nothing is known.
type Finding struct {
	Suspect  // the zero Suspect if none is to blame, or none more than others
	Strength Strength
	Evidence string // in words; follows the reason of the crash in a sentence

	// Suspects are the images that may have done it, the likeliest first, if the evidence isn't certain.
	Suspects []generations.Suspicion

	deaths int // how many crashes the evidence is from
}

// Find returns which image is to blame for a crash. The first of these that there is:
//
//   - the image whose code crashed, according to the process's stack
//   - the images whose code was running, according to the process's table of calls
//   - the images that were being tried, or else are in probation, and those that have work in the background
//
// If the program itself was in probation, only the stack counts: otherwise the program is the likeliest reason.
//
// If somebody had stopped the process, nothing counts: what ran then, it ran by chance.
//
// tried are the images that were being tried when the process ended, the one that began last first.
func (r *Record) Find(report crash.Report, tried []Suspect) Finding {
	if report.Stopped {
		return Finding{Strength: Outside}
	}
	trace := crash.Parse(report.Output)
	if f := r.named(trace, tried); f.Strength != "" {
		if f.Strength == Weak {
			return r.narrow(f, true, report.When())
		}
		return f
	}
	if report.Program != "" {
		return Finding{}
	}
	others := 0.0
	switch {
	case report.Why != "":
		others = stoppers
	case report.Exit == crash.Killed && !report.Memory:
		others = killers
	}
	f, doubt := r.suspected(report, tried, others)
	if len(f.Suspects) == 0 {
		return f
	}
	return r.narrow(f, doubt || others > 0, report.When())
}

// How much likelier than one image somebody outside has sent SIGKILL, or has frozen a process so that it hangs. They most often had
// no plugin in mind, so which images were in calls just then is chance: an image that is in one most of the time never becomes the
// likelier for it, however often it happens.
const (
	killers  = 2
	stoppers = 1
)

// suspected returns the images that may have ended a process without a word; others is the weight of all others that may have.
// doubt is set if even a single image need not have done it.
func (r *Record) suspected(report crash.Report, tried []Suspect, others float64) (f Finding, doubt bool) {
	if report.Calls == nil {
		f.Evidence = "while this image was being tried"
		if len(tried) == 0 {
			f.Evidence = "while this image was in probation"
			tried = r.onProbation()
		}
		f.Suspects = evenly(tried, others)
		return f, true
	}
	if inside := report.Calls.Inside(); len(inside) > 0 {
		f.Suspects = byUse(inside, others)
		if f.Evidence = fmt.Sprintf("while %d images were in calls", len(inside)); len(inside) == 1 {
			f.Evidence = "while no other image was in a call (" + running(inside[0]) + ")"
		}
		return f, report.Calls.Partial
	}
	if len(tried) == 0 { // an image may have goroutines that nobody knows of, most likely a new one
		tried = r.onProbation()
	}
	for _, im := range report.Calls.InBackground() {
		if s := (Suspect{im.Plugin, im.Image}); !slices.Contains(tried, s) {
			tried = append(tried, s)
		}
	}
	f.Suspects = evenly(tried, others)
	if f.Evidence = "while no image was in a call"; len(tried) > 0 {
		f.Evidence += fmt.Sprintf(", and %d had work in the background, were being tried or in probation", len(tried))
	}
	return f, true
}

// onProbation returns the images that haven't passed their probation, and to which there is an alternative; the newest first.
func (r *Record) onProbation() []Suspect {
	return slices.DeleteFunc(r.byAge(), func(s Suspect) bool {
		return r.confirmed(s) || r.Quarantined(s.Image) || !r.hasFallback(s)
	})
}

// running returns in words what of an image ran.
func running(im inflight.Image) string {
	_, what, _ := strings.Cut(im.String(), ": ")
	return what
}

// evenly suspects all images equally, beside others of that weight.
func evenly(suspects []Suspect, others float64) (found []generations.Suspicion) {
	for _, s := range suspects {
		found = append(found, generations.Suspicion{Plugin: s.Plugin, Image: s.Image, Share: 1 / (float64(len(suspects)) + others)})
	}
	return found
}

// byUse suspects images by how surprising it is that they were in calls. The one that ended the process was in one, and the
// others were by chance; so an image is the likelier the seldomer it is in a call. others is the weight of whoever is in no call.
func byUse(images []inflight.Image, others float64) (found []generations.Suspicion) {
	sum := others
	for _, im := range images {
		by := chance(im)
		if others > 0 && im.Calls == 0 { // who waits long for such a step may kill the process for it
			by = 1
		}
		s := generations.Suspicion{Plugin: im.Plugin, Image: im.Image, Share: 1 / by}
		sum += s.Share
		found = append(found, s)
	}
	for i := range found {
		found[i].Share /= sum
	}
	slices.SortStableFunc(found, likeliest)
	return found
}

// chance returns how likely it was that an image was in a call at that moment.
func chance(im inflight.Image) float64 {
	switch {
	case im.Calls > 0:
	case len(im.Steps) == 1 && im.Steps[0] == inflight.Open.String():
		return 1 // its init has done nothing in the probe, in which it ran before
	case len(im.Steps) > 0:
		// An image is in New or Start once in its life, for a moment. How seldom that is isn't known, and what serves may have
		// waited for just this moment.
		return 0.1
	}
	return (im.Busy*float64(im.Looked) + 1) / (float64(im.Looked) + 2) // Laplace's rule of succession
}

func likeliest(a, b generations.Suspicion) int {
	switch {
	case a.Share > b.Share:
		return -1
	case a.Share < b.Share:
		return 1
	}
	return 0
}

// farBack is how many releases before the current one are searched for an image that a stack names.
const farBack = 40

// named returns the image whose code crashed. It looks at the images being tried and the current ones first, and only then at
// earlier ones, whose goroutines may still have been running.
func (r *Record) named(trace *crash.Trace, tried []Suspect) Finding {
	if len(trace.Goroutines) == 0 {
		return Finding{}
	}
	var images []crash.Image
	of := map[string]Suspect{}
	add := func(suspects []Suspect) {
		for _, s := range suspects {
			if _, known := of[s.Image.String()]; known {
				continue
			}
			if packages, ok := r.OwnPackages(s.Image); ok {
				images = append(images, crash.Image{ID: s.Image.String(), Packages: packages})
				of[s.Image.String()] = s
			}
		}
	}
	add(tried)
	add(r.byAge())
	id, frame, ok := trace.Culprit(images)
	if !ok { // perhaps a goroutine that an older generation left behind
		r.earlier(r.Current, func(release generations.Release) bool {
			add(suspectsOf(release))
			return r.Current.Number-release.Number < farBack
		})
		id, frame, ok = trace.Culprit(images)
	}
	inHost, hosts := trace.Host(images, r.HostPackage)
	switch {
	case ok && hosts:
		return Finding{
			Strength: Weak, Suspects: evenly([]Suspect{of[id]}, 0),
			Evidence: fmt.Sprintf("in the host's own %s, called in %s", inHost, frame),
		}
	case ok && strings.Contains(trace.Reason, "out of memory"): // it asked for the last bit; others may have more
		return Finding{Suspect: of[id], Strength: Strong, Evidence: "in " + frame.String(), Suspects: evenly([]Suspect{of[id]}, 0), deaths: 1}
	case ok:
		return Finding{Suspect: of[id], Strength: Certain, Evidence: "in " + frame.String(), deaths: 1}
	case hosts:
		return Finding{Strength: Host, Evidence: "in the host's own " + inHost.String()}
	}
	return Finding{}
}
