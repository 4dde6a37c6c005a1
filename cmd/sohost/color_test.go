package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/terminal"
)

// TestStyleOfKind: whatever has gone wrong looks so in history and events.
func TestStyleOfKind(t *testing.T) {
	bad := 0
	for _, kind := range generations.Kinds() {
		failed := strings.Contains(string(kind), "fail") || strings.Contains(string(kind), "died")
		if style := styleOfKind(kind); failed && style != terminal.Bad {
			t.Errorf("%s is in style %q", kind, style)
		} else if style == terminal.Bad {
			bad++
		}
	}
	if bad == len(generations.Kinds()) {
		t.Error("all kinds look bad")
	}
}

// TestStyles prints what commands judge, on a terminal in color and elsewhere without.
func TestStyles(t *testing.T) {
	for _, test := range []struct {
		style terminal.Style
		text  string
		print func(page *terminal.Page)
	}{
		{terminal.Bad, "bad", func(p *terminal.Page) {
			printDiagnosis(p, diagnosis{Findings: []finding{{Check: "store", Verdict: bad}}})
		}},
		{terminal.Good, "ok", func(p *terminal.Page) {
			printDiagnosis(p, diagnosis{Findings: []finding{{Check: "store", Verdict: good}}})
		}},
		{terminal.Notice, "note", func(p *terminal.Page) { printDiagnosis(p, diagnosis{Probe: []instance.WallLayer{{Name: "limits"}}}) }},
		{terminal.Good, "loads", func(p *terminal.Page) { printResults(p, p, []checkResult{{File: "a.so", OK: true}}) }},
		{terminal.Bad, "would be refused:", func(p *terminal.Page) { printResults(p, p, []checkResult{{File: "a.so", Message: "no"}}) }},
		{terminal.Bad, "refuse", func(p *terminal.Page) {
			checkedState{Comparison: instance.Comparison{Outcome: instance.Emptied}}.print(p)
		}},
		{terminal.Good, "adopt", func(p *terminal.Page) {
			checkedState{Comparison: instance.Comparison{Outcome: instance.Adopted}}.print(p)
		}},
		{terminal.Notice, "warning:", func(p *terminal.Page) { warn(p, "careful") }},
		{terminal.Bad, "crash", func(p *terminal.Page) {
			fmt.Fprintln(p, eventLine(p.Look(), generations.Event{Kind: generations.KindCrash}))
		}},
	} {
		for _, look := range []terminal.Look{{}, {Color: true}} {
			page := terminal.NewPage(looking{look: look})
			test.print(page)
			if want := look.Paint(test.style, test.text); !strings.Contains(page.String(), want) || strings.Contains(page.String(), "\x1b") != look.Color {
				t.Errorf("%q has no %q", page.String(), want)
			}
		}
	}
}

// looking is a writer with a look.
type looking struct {
	strings.Builder
	look terminal.Look
}

func (l looking) Look() terminal.Look         { return l.look }
func (l looking) Write(b []byte) (int, error) { return len(b), nil }
