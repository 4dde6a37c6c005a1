package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/server/control"
)

// sizes of state that is handed over, in records of hoard: about a hundred bytes each.
var sizes = []struct {
	name      string
	records   int
	handovers int // of the test
}{
	{"1MB", 10_000, 3},
	{"100MB", 1_000_000, 1},
}

// newHoard starts a server whose plugin has a state of that many records, without checkpoints, and with time to move it on a
// busy machine.
func newHoard(t testing.TB, records int) (s *stateful, sum string) {
	t.Helper()
	s = newStateful(t, "hoard", "--checkpoints", "-1s", "--open-timeout", "2m", "--drain-timeout", "2m")
	sum, _, err := send(impatient, post(fmt.Sprintf("%s/hoard?fill=%d", s.url, records), ""))
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprint(records, " "); !strings.HasPrefix(sum, want) {
		t.Fatalf("the hoard has %q, want %s records", sum, want)
	}
	return s, sum
}

// handover hands over to a new worker, and returns how it went and the longest that a request took meanwhile.
func (s *stateful) handover(l *load) (sohost.Handover, time.Duration) {
	s.t.Helper()
	l.round(s.t)
	l.soFar() // from here on
	h, err := s.client.Handover(patient(s.t), control.HandoverRequest{Why: "test"})
	if err != nil {
		s.t.Fatalf("%v; the log:\n%s", err, s.log())
	}
	if h.Warning != "" {
		s.t.Errorf("handed over with the warning %q", h.Warning)
	}
	l.round(s.t)
	_, _, longest := l.soFar()
	return h, longest
}

// TestHandoverState has a small state and a large one handed over from worker to worker while clients use it. No request
// may fail and every one must count once, and the records must all arrive.
func TestHandoverState(t *testing.T) {
	t.Parallel()
	for _, size := range sizes {
		t.Run(size.name, func(t *testing.T) {
			if testing.Short() && size.handovers == 1 {
				t.Skip("make load hands this much over; the smaller size is handed over in the same way")
			}
			s, sum := newHoard(t, size.records)
			worker := s.status().Worker.PID
			load := startLoad(4, *steady, get(s.url+"/hoard"))
			for i := range repeated(size.handovers) {
				h, longest := s.handover(load)
				if h.Giver != worker || h.Taker == worker {
					t.Fatalf("handed over from %d to %d, and %d served", h.Giver, h.Taker, worker)
				}
				worker = h.Taker
				if serves := s.status().Worker.PID; serves != worker {
					t.Errorf("%d serves after a handover to %d", serves, worker)
				}
				t.Logf("handover %d: the longest request took %.1f ms; the host made callers wait %v; %+v", i+1, milliseconds(longest), h.Waited, h.Phases)
			}
			checkCounted(t, load.end(t))
			if now, _ := s.get("/hoard/records"); now != sum {
				t.Errorf("the hoard has %q, want %q", now, sum)
			}
		})
	}
}

// BenchmarkHandover hands a state over under a steady load. The longest that a request took is what clients notice of it.
func BenchmarkHandover(b *testing.B) {
	for _, size := range sizes {
		b.Run(size.name, func(b *testing.B) {
			s, _ := newHoard(b, size.records)
			load := startLoad(4, *steady, get(s.url+"/hoard"))
			took := map[string][]time.Duration{}
			for b.Loop() {
				h, longest := s.handover(load)
				for name, d := range map[string]time.Duration{
					"client-wait": longest, "prepare": h.Phases.Prepare, "drain": h.Phases.Drain, "state": h.Phases.State,
					"commit": h.Phases.Commit, "publish": h.Phases.Publish,
				} {
					took[name] = append(took[name], d)
				}
			}
			for name, d := range took {
				b.ReportMetric(milliseconds(median(d)), name+"-ms")
			}
			b.ReportMetric(milliseconds(slices.Max(took["client-wait"])), "client-wait-max-ms")
			load.end(b)
		})
	}
}
