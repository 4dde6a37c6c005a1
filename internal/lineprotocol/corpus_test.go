package lineprotocol

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/line-protocol-corpus/lpcorpus"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/rows"
)

// TestCorpus reads the texts of InfluxData's corpus, which come from fuzzing the parsers of InfluxDB, Telegraf and others, and compares verdicts and
// points with those recorded in the library that parses here. What is different on purpose is a key that comes twice, and one named time.
func TestCorpus(t *testing.T) {
	texts := corpus(t)
	refused, stricter := 0, 0
	for _, c := range texts {
		o := Options{Precision: Precision(c.Input.Precision.Duration), Now: time.Unix(0, c.Input.DefaultTime), MaxErrors: 10}
		agree(t, string(c.Input.Text), o, new(memory))
		got := Parse(bytes.Clone(c.Input.Text), o)
		switch {
		case c.Output.Error != "":
			refused++
			if got.Errors == 0 {
				t.Errorf("%q: read, want an error: %s", c.Input.Text, c.Output.Error)
			}
		case got.Errors > 0:
			stricter++
			if !slices.ContainsFunc(c.Output.Result, own) {
				t.Errorf("%q: %v", c.Input.Text, got.Bad)
			}
		default:
			var want []string
			for _, p := range c.Output.Result {
				want = append(want, point(p))
			}
			have := points(got.Tables)
			slices.Sort(want)
			slices.Sort(have)
			if !slices.Equal(want, have) {
				t.Errorf("%q: read\n%q, want\n%q", c.Input.Text, have, want)
			}
		}
	}
	t.Logf("%d texts, %d of them refused, and %d by this package alone", len(texts), refused, stricter)
}

// corpus returns the texts, with what the library makes of each.
func corpus(t testing.TB) map[string]*lpcorpus.DecodeCorpusEntry {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/influxdata/line-protocol/v2").Output()
	if err != nil {
		t.Fatal(err)
	}
	corpus, err := lpcorpus.ReadCorpusJSON(filepath.Join(strings.TrimSpace(string(dir)), "lineprotocol", "testdata", "corpus.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(corpus.Decode) < 1000 {
		t.Fatalf("the corpus has only %d texts", len(corpus.Decode))
	}
	return corpus.Decode
}

// own reports whether this package refuses a point that the library reads: for a key that comes twice or is named time.
func own(p *lpcorpus.Point) bool {
	keys := map[string]bool{"time": true}
	twice := false
	add := func(k string) {
		twice = twice || keys[k]
		keys[k] = true
	}
	for _, tag := range p.Tags {
		add(string(tag.Key))
	}
	for _, f := range p.Fields {
		add(string(f.Key))
	}
	return twice
}

// point returns a point in a form in which points can be compared.
func point(p *lpcorpus.Point) string {
	var cells []string
	for _, tag := range p.Tags {
		cells = append(cells, fmt.Sprintf("%q tag %q", tag.Key, tag.Value))
	}
	for _, f := range p.Fields {
		v := f.Value.Interface()
		switch x := v.(type) {
		case []byte:
			v = string(x)
		case float64:
			v = x + 0 // the corpus has no negative zero
		}
		cells = append(cells, fmt.Sprintf("%q %T %v", f.Key, v, v))
	}
	slices.Sort(cells)
	return fmt.Sprintf("%q %d %v", p.Name, p.Time, cells)
}

func points(tables []abi.Table) (points []string) {
	for _, t := range tables {
		for row := range rows.Len(&t) {
			var cells []string
			for _, c := range t.Columns {
				switch v := rows.Value(&c, row); {
				case v == nil:
				case c.Kind == abi.Float:
					cells = append(cells, fmt.Sprintf("%q float64 %v", c.Name, v.(float64)+0))
				case c.Kind == abi.Tag:
					cells = append(cells, fmt.Sprintf("%q tag %q", c.Name, v))
				default:
					cells = append(cells, fmt.Sprintf("%q %T %v", c.Name, v, v))
				}
			}
			slices.Sort(cells)
			points = append(points, fmt.Sprintf("%q %d %v", t.Name, t.Times[row], cells))
		}
	}
	return points
}
