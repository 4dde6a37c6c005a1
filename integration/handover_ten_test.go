package integration

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/server/control"
)

// ten are ten plugins with a state of about 1 MB each, and a client of each that sends requests which change it.
type ten struct {
	*daemon
	loads   []*load
	records []string // where each plugin answers what it has
}

// newTen starts a server with ten hoards, whose states are Go maps, or ten tallies, whose states are keep.Maps.
func newTen(t testing.TB, plugin string) *ten {
	t.Helper()
	image := newSourceOf(t, plugin, filepath.Join("testdata", plugin)).build()
	p := newPlace(t)
	for i := range 10 {
		install(t, image, filepath.Join(p.plugins, fmt.Sprintf("p%d.so", i)))
	}
	all := &ten{daemon: p.start(t, "--plugins", p.plugins, "--checkpoints", "-1s")}
	for i := range 10 {
		url := fmt.Sprintf("%s/p%d", all.url, i)
		fill, change, records := post(url+"?fill=10000", ""), get(url), url
		if plugin == "tally" {
			fill, change, records = get(url+"?fill=10000"), post(url+"/77", ""), url+"/77"
		}
		if _, _, err := send(impatient, fill); err != nil {
			t.Fatal(err)
		}
		all.loads = append(all.loads, startLoad(1, *steady, change))
		all.records = append(all.records, records)
	}
	return all
}

// handover hands over, and returns how it went and the longest that a request took meanwhile.
func (all *ten) handover(t testing.TB) (h sohost.Handover, longest time.Duration) {
	t.Helper()
	for _, l := range all.loads {
		l.round(t)
		l.soFar()
	}
	h, err := all.client.Handover(patient(t), control.HandoverRequest{Why: "test"})
	if err != nil {
		t.Fatalf("%v; the log:\n%s", err, all.log())
	}
	for _, l := range all.loads {
		l.round(t)
		_, _, one := l.soFar()
		longest = max(longest, one)
	}
	return h, longest
}

// TestHandoverAhead hands over keep.Maps that calls change all the time. Every change counts once.
func TestHandoverAhead(t *testing.T) {
	t.Parallel()
	all := newTen(t, "tally")
	for range repeated(2) {
		if h, _ := all.handover(t); len(h.Moves) != 10 {
			t.Errorf("%d states have moved", len(h.Moves))
		}
	}
	for i, l := range all.loads {
		answers := len(l.end(t))
		got, _, err := send(impatient, get(all.records[i]))
		if want := fmt.Sprint(answers + 1); err != nil || strings.TrimSpace(got) != want { // fill has counted it once
			t.Errorf("plugin %d has %s, %v; want %s", i, got, err, want)
		}
	}
}

// BenchmarkHandoverTen hands ten plugins over.
func BenchmarkHandoverTen(b *testing.B) {
	for _, kind := range []struct{ name, plugin string }{{"GoMap", "hoard"}, {"KeepMap", "tally"}} {
		b.Run(kind.name, func(b *testing.B) {
			all := newTen(b, kind.plugin)
			took := map[string][]time.Duration{}
			for b.Loop() {
				h, longest := all.handover(b)
				for name, d := range map[string]time.Duration{
					"client-wait": longest, "prepare": h.Phases.Prepare, "ahead": h.Phases.Ahead, "state": h.Phases.State,
				} {
					took[name] = append(took[name], d)
				}
			}
			for name, d := range took {
				b.ReportMetric(milliseconds(median(d)), name+"-ms")
			}
			b.ReportMetric(milliseconds(slices.Max(took["client-wait"])), "client-wait-max-ms")
			for _, l := range all.loads {
				l.end(b)
			}
		})
	}
}
