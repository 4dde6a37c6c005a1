package main

import (
	"fmt"
	"io"
	"time"

	"github.com/sohost/sohost/internal/terminal"
)

// demoReport is what `sohost demo --json` prints.
type demoReport struct {
	Requests  int           `json:"requests"`
	Failed    int           `json:"failed"`
	Why       string        `json:"why,omitempty"` // the first failure
	Counted   int           `json:"counted"`       // by the plugin, through all versions of its code
	Reloads   int           `json:"reloads"`
	NotBuilt  int           `json:"not_built"` // changes that didn't compile
	Handovers int           `json:"handovers"`
	Median    time.Duration `json:"median_ns"`
	P99       time.Duration `json:"p99_ns"`
	Longest   time.Duration `json:"longest_ns"`
	Took      time.Duration `json:"took_ns"`
}

// print prints the report for people.
func (r demoReport) print(w io.Writer) error {
	look := terminal.LookOf(w)
	failed := look.Paint(terminal.Good, "0 failed")
	if r.Failed > 0 {
		failed = look.Paint(terminal.Bad, fmt.Sprint(r.Failed, " failed"))
	}
	counted := look.Paint(terminal.Good, "the plugin has counted every one")
	if r.Counted != r.Requests {
		counted = look.Paint(terminal.Bad, "the plugin has counted "+fmt.Sprint(r.Counted))
	}
	_, err := fmt.Fprintf(w, "\n%s, %s; %s\n%s, %s, %s that did not compile, in %s\na request took %s (median), %s (99 %%), %s at most\n",
		look.Paint(terminal.Strong, count(r.Requests, "request")), failed, counted,
		count(r.Reloads, "reload"), count(r.Handovers, "handover"), count(r.NotBuilt, "change"), short(r.Took.Round(100*time.Millisecond)),
		short(r.Median), short(r.P99), short(r.Longest))
	return err
}

// verdict returns an error if the demo has not shown what it should.
func (r demoReport) verdict() error {
	switch {
	case r.Failed > 0:
		return fmt.Errorf("%s failed, the first with: %s", count(r.Failed, "request"), r.Why)
	case r.Counted != r.Requests:
		return fmt.Errorf("%d requests were answered, and the plugin has counted %d", r.Requests, r.Counted)
	}
	return nil
}
