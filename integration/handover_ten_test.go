package integration

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/control"
)

// BenchmarkHandoverTen hands ten plugins over, each with a state of about 1 MB, while a client of each sends requests that change it.
func BenchmarkHandoverTen(b *testing.B) {
	for _, kind := range []string{"GoMap", "KeepMap"} {
		b.Run(kind, func(b *testing.B) {
			name, path := "hoard", "/hoard"
			if kind == "KeepMap" {
				name, path = "tally", "/tally"
			}
			_ = path
			image := newSourceOf(b, name, filepath.Join("testdata", name)).build()
			p := newPlace(b)
			for i := range 10 {
				install(b, image, filepath.Join(p.plugins, fmt.Sprintf("p%d.so", i)))
			}
			d := p.start(b, "--plugins", p.plugins, "--checkpoints", "-1s")
			var loads []*load
			for i := range 10 {
				url := fmt.Sprintf("%s/p%d", d.url, i)
				fill := get(url + "?fill=10000")
				if name == "hoard" {
					fill = post(url+"?fill=10000", "")
				}
				if _, _, err := send(impatient, fill); err != nil {
					b.Fatal(err)
				}
				req := get(url)
				if name == "tally" {
					req = post(url+"/77", "")
				}
				loads = append(loads, startLoad(1, *steady, req))
			}
			took := map[string][]time.Duration{}
			for b.Loop() {
				for _, l := range loads {
					l.round(b)
					l.soFar()
				}
				h, err := d.client.Handover(patient(b), control.HandoverRequest{Why: "test"})
				if err != nil {
					b.Fatalf("%v; the log:\n%s", err, d.log())
				}
				var longest time.Duration
				for _, l := range loads {
					l.round(b)
					_, _, one := l.soFar()
					longest = max(longest, one)
				}
				gate := time.Duration(0)
				if h.Waited != nil {
					gate = h.Waited.Max
				}
				for name, d := range map[string]time.Duration{
					"client-wait": longest, "gate": gate, "prepare": h.Phases.Prepare, "drain": h.Phases.Drain, "state": h.Phases.State,
					"commit": h.Phases.Commit, "publish": h.Phases.Publish,
				} {
					took[name] = append(took[name], d)
				}
			}
			for name, d := range took {
				b.ReportMetric(milliseconds(median(d)), name+"-ms")
			}
			b.ReportMetric(milliseconds(slices.Max(took["client-wait"])), "client-wait-max-ms")
			for _, l := range loads {
				l.end(b)
			}
		})
	}
}
