package metrics

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

const (
	rules     = "../../../packaging/prometheus/sohost.rules.yml"
	ruleTests = "../../../packaging/prometheus/sohost.rules.test.yml"
	dashboard = "../../../packaging/grafana/sohost.json"
)

var metricName = regexp.MustCompile(`\bsohost_[a-z_]+\b`)

// TestShippedNames looks up each metric that the alert rules and the dashboard name in the metrics of a full status.
func TestShippedNames(t *testing.T) {
	scraped := map[string]bool{}
	for line := range strings.Lines(string(Text(full(), true, happened()))) {
		scraped[metricName.FindString(line)] = !strings.HasPrefix(line, "#")
	}
	for _, file := range []string{rules, dashboard} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names := metricName.FindAllString(string(text), -1)
		if len(names) < 10 {
			t.Errorf("%s names %d metrics", file, len(names))
		}
		for _, name := range names {
			if !scraped[name] {
				t.Errorf("%s names %s, which there isn't", file, name)
			}
		}
		if file == dashboard && !json.Valid(text) {
			t.Errorf("%s is no JSON", file)
		}
	}
}

// TestRules lets Prometheus's own tool check the alert rules, the examples of what they make of metrics, and the metrics.
func TestRules(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("no promtool: install Debian's prometheus")
	}
	for _, args := range [][]string{{"check", "rules", rules}, {"test", "rules", ruleTests}, {"check", "metrics"}} {
		cmd := exec.Command(tool, args...)
		s := full()
		s.Plugins[0].Name = "a" // it reads no text that isn't UTF-8
		cmd.Stdin = strings.NewReader(string(Text(s, true, happened())))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
