package integration

import (
	"cmp"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/server/control"
)

// BenchmarkReload deploys images that the server has never seen, of a plugin with a counter as its state, one after the
// other. It reports the median of each phase.
func BenchmarkReload(b *testing.B) {
	image := newSource(b, "counter").build()
	clones := newCloner(b, image, "example.com/counter")
	p := newPlace(b)
	d := p.start(b, "--plugin", "counter="+image)
	phases := map[string][]time.Duration{}
	for b.Loop() {
		b.StopTimer()
		next := clones.clone(b)
		b.StartTimer()
		r, err := d.client.Deploy(patient(b), control.DeployRequest{Images: map[string]string{"counter": next}})
		if err != nil {
			b.Fatal(err)
		}
		for name, took := range byPhase(r.Moves[0].Phases) {
			phases[name] = append(phases[name], took)
		}
	}
	for name, took := range phases {
		b.ReportMetric(float64(median(took).Microseconds())/1000, name+"-ms")
	}
}

// BenchmarkMillion reloads a plugin with a million entries of its own types, which are adopted.
func BenchmarkMillion(b *testing.B) {
	s := newStateful(b, "ledger")
	s.get("/ledger?fill=1000000")
	images := []string{filepath.Join(s.t.TempDir(), "first.so")}
	install(b, s.file, images[0])
	s.src.edit("ledger.go", "no such key", "no key like that")
	images = append(images, s.src.build())
	var shut []time.Duration
	for i := 1; b.Loop(); i++ {
		r, err := s.client.Deploy(patient(b), control.DeployRequest{Images: map[string]string{"ledger": images[i%2]}})
		if err != nil {
			b.Fatal(err)
		}
		if way := r.Moves[0].State.Way; way != sohost.WayAdopt {
			b.Fatalf("the state went by %q", way)
		}
		shut = append(shut, callersWait(r.Moves[0].Phases))
	}
	b.ReportMetric(float64(median(shut).Microseconds())/1000, "callers-wait-ms")
}

func byPhase(p sohost.Phases) map[string]time.Duration {
	return map[string]time.Duration{
		"store": p[sohost.PhaseStore], "check": p[sohost.PhaseCheck], "probe": p[sohost.PhaseProbe], "open": p[sohost.PhaseOpen],
		"publish": p[sohost.PhasePublish], "callers-wait": callersWait(p),
	}
}

// callersWait is how long callers of a plugin with state are held back.
func callersWait(p sohost.Phases) time.Duration {
	return p[sohost.PhaseDrain] + p[sohost.PhaseState] + p[sohost.PhaseStart] + p[sohost.PhaseFlip]
}

func median[T cmp.Ordered](d []T) T {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}
