package integration

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/sohost/sohost/internal/server/control"
)

// shownGenerations is how many generations of a plugin have metrics of their own: the one that serves, one that still drains, and the
// last four that have retired.
const shownGenerations = 6

// TestScrapesUnderLoad scrapes the metrics as fast as it can while a plugin that is under load is reloaded again and again, also back to
// images that it had. Each text is one that Prometheus's own parser takes; no counter goes back, and there are no more series of
// generations than are promised.
func TestScrapesUnderLoad(t *testing.T) {
	t.Parallel()
	first := newSource(t, "counter").build()
	clones := newCloner(t, first, "example.com/counter")
	p := newPlace(t)
	install(t, first, filepath.Join(p.plugins, "counter.so"))
	d := p.start(t, "--plugins", p.plugins, "--metrics", "127.0.0.1:0")
	url := d.await(0, func(l line) bool { return l.text("msg") == "metrics" }).text("url")
	l := startLoad(2, 0, get(d.url+"/counter"))
	stop, stormed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stormed)
		s := &scrapes{t: t, last: map[string]float64{}}
		for end := false; !end; {
			select {
			case <-stop:
				end = true // once more
			default:
			}
			s.scrape(url)
		}
		if n := len(s.last); s.counted == 0 || n == 0 {
			t.Errorf("in %d scrapes were %d counters", s.counted, n)
		}
	}()
	images := []string{first}
	for i := range repeated(8) {
		image := images[(i*5)%len(images)] // also one that it has had
		if i%2 == 0 {
			image = clones.clone(t)
			images = append(images, image)
		}
		if _, err := d.client.Deploy(patient(t), control.DeployRequest{Images: map[string]string{"counter": image}}); err != nil {
			t.Error(err)
		}
	}
	l.end(t)
	close(stop)
	<-stormed
}

// scrapes compares each scrape with those before.
type scrapes struct {
	t       *testing.T
	last    map[string]float64 // the counters of the one before, by their series
	counted int
}

func (s *scrapes) scrape(url string) {
	text, err := ask(url)
	if err != nil {
		s.t.Error(err)
		return
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		s.t.Errorf("%v in\n%s", err, text)
		return
	}
	s.counted++
	seen, generations, counters := map[string]bool{}, map[string]int{}, map[string]float64{}
	for name, family := range families {
		for _, m := range family.Metric {
			series := fmt.Sprint(name, m.Label)
			if seen[series] {
				s.t.Errorf("%s is there twice", series)
			}
			seen[series] = true
			for _, label := range m.Label {
				if label.GetName() == "generation" && name == "sohost_plugin_panics_total" {
					generations[name]++
				}
			}
			if is := family.GetType(); is == dto.MetricType_COUNTER || is == dto.MetricType_HISTOGRAM {
				value := m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
				if value < s.last[series] {
					s.t.Errorf("%s goes back from %v to %v", series, s.last[series], value)
				}
				counters[series] = value
			}
		}
	}
	s.last = counters
	for name, n := range generations {
		if n > shownGenerations {
			s.t.Errorf("%s has %d generations:\n%s", name, n, grep(text, name))
		}
	}
}

// grep returns the lines that have a text.
func grep(text []byte, part string) string {
	var found strings.Builder
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, part) {
			found.WriteString(line)
		}
	}
	return found.String()
}
