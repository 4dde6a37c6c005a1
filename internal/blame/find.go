package blame

import (
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/crash"
)

// Finding says which image is to blame for a crash. The zero Finding means that none is.
type Finding struct {
	Suspect
	Named    bool   // the process's stack names the image
	Evidence string // in words; follows the reason of the crash in a sentence
}

// Find returns which image is to blame for a crash. The first of these that there is:
//
//   - the image whose code crashed, according to the process's stack
//   - the image that was being tried, because its New, Start or init may have ended the process without a word
//   - the image in probation that came last, if there is another one to go back to
//
// If the program itself was in probation, only the stack counts: otherwise the program is the likeliest reason.
//
// tried are the images that were being tried when the process ended, the one that began last first.
func (r *Record) Find(report crash.Report, tried []Suspect) Finding {
	if s, frame, ok := r.named(crash.Parse(report.Output), tried); ok {
		return Finding{s, true, "in " + frame.String()}
	}
	if report.Program != "" {
		return Finding{}
	}
	if len(tried) > 0 {
		return Finding{tried[0], false, "while this image was being tried"}
	}
	for _, s := range r.byAge() {
		if !r.confirmed(s) && !r.Quarantined(s.Image) && r.hasFallback(s) {
			return Finding{s, false, "while this image was in probation, and nothing else is to blame"}
		}
	}
	return Finding{}
}

// farBack is how many releases before the current one are searched for an image that a stack names.
const farBack = 40

// named returns the image whose code crashed, and the stack frame that shows it. It looks at the images being tried and
// the current ones first, and only then at earlier ones, whose goroutines may still have been running.
func (r *Record) named(trace *crash.Trace, tried []Suspect) (Suspect, crash.Frame, bool) {
	if len(trace.Goroutines) == 0 {
		return Suspect{}, crash.Frame{}, false
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
	return of[id], frame, ok
}
