package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/sohost/sohost/internal/dryrun"
	"github.com/sohost/sohost/internal/terminal"
	"github.com/spf13/cobra"
)

// tested is what `sohost test --json` prints.
type tested struct {
	dryrun.Result

	// Difference is how the emitted rows differ from the expected ones, as a unified diff; empty if they don't.
	Difference string `json:"difference,omitempty"`
}

// report prints the result, and returns an error if the test has failed.
func (o *testOptions) report(cmd *cobra.Command, r dryrun.Result, asJSON bool) error {
	t := tested{Result: r}
	if o.expect != "" {
		t.Difference = string(diff.Diff(o.expect, sortedLines(string(o.expected)), "emitted", sortedLines(r.Rows())))
		t.OK = t.OK && t.Difference == ""
	}
	var err error
	if asJSON {
		err = printJSON(cmd.OutOrStdout(), t)
	} else {
		err = (&testPrinter{w: cmd.OutOrStdout(), look: terminal.LookOf(cmd.OutOrStdout())}).print(t)
	}
	switch {
	case err != nil:
		return err
	case t.Failed != nil:
		return fmt.Errorf("plugin %s failed in %s: %s", t.Plugin, t.Failed.Phase, t.Failed.Error)
	case t.Difference != "" && r.OK:
		return errors.New("the emitted rows are not the expected ones")
	case !t.OK:
		return fmt.Errorf("plugin %s: a call failed", t.Plugin)
	}
	return nil
}

// sortedLines returns the lines of a text that say something, sorted: the order in which rows are emitted means nothing to a database.
func sortedLines(text string) []byte {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line+"\n")
		}
	}
	slices.Sort(lines)
	return []byte(strings.Join(lines, ""))
}

// testPrinter prints what came of a dry run for people.
type testPrinter struct {
	w    io.Writer
	look terminal.Look
	err  error
}

// line prints a line in a style.
func (p *testPrinter) line(style terminal.Style, format string, args ...any) {
	text := p.look.Paint(style, fmt.Sprintf(format, args...))
	if _, err := fmt.Fprintln(p.w, text); p.err == nil {
		p.err = err
	}
}

// block prints the lines of a text below a label.
func (p *testPrinter) block(style terminal.Style, label, text string) {
	if text = strings.TrimRight(text, "\n"); text == "" {
		return
	}
	p.line("", "  %s:", label)
	for line := range strings.Lines(text) {
		p.line(style, "    %s", strings.TrimRight(line, "\n"))
	}
}

func (p *testPrinter) print(t tested) error {
	version := ""
	if t.Version != "" {
		version = ", version " + t.Version
	}
	p.line("", "plugin %s, image %s%s", t.Plugin, t.Image.Short(), version)
	p.begun("begin", t.Begin)
	for _, s := range t.Steps {
		p.step(s)
	}
	p.begun("end", t.Ended)
	if t.Failed != nil {
		p.line(terminal.Bad, "%s failed: %s", t.Failed.Phase, t.Failed.Error)
		p.block("", "stack", t.Failed.Stack)
	}
	p.state(t.State)
	p.block("", "printed", t.Printed)
	if len(t.Tried) > 0 {
		p.block(terminal.Bad, "the dry run did not let it", strings.Join(t.Tried, "\n"))
	}
	if len(t.Lacking) > 0 {
		p.block(terminal.Bad, "the plugin could reach what is outside of the dry run, as this machine lacks", strings.Join(t.Lacking, "\n"))
	}
	p.difference("the emitted rows are not the expected ones (- expected, + emitted)", t.Difference)
	return p.err
}

// begun prints what a plugin did before or after the calls, if it did anything.
func (p *testPrinter) begun(what string, d dryrun.Did) {
	if len(d.Logs)+len(d.Emitted)+len(d.Cached)+len(d.Asked)+d.Tasks > 0 {
		p.line(terminal.Strong, "%s", what)
		p.did(d)
	}
}

func (p *testPrinter) step(s dryrun.Called) {
	title := s.Step
	if s.Rows > 0 {
		title += " of " + count(s.Rows, "row")
	}
	if s.Trigger != "" {
		title += " by " + s.Trigger
	}
	p.line(terminal.Strong, "%s, %s", title, short(s.Took))
	if a := s.Answer; a != nil {
		p.block("", "answered", answerText(a))
	}
	p.did(s.Did)
	if s.Error != "" {
		p.line(terminal.Bad, "  error: %s", s.Error)
		p.block("", "stack", s.Stack)
	}
	if s.Then != "" {
		p.line("", "  then: %s", s.Then)
	}
}

// answerText returns an answer about as HTTP has it.
func answerText(a *dryrun.Answer) string {
	var b, header strings.Builder
	a.Header.Write(&header)
	fmt.Fprintf(&b, "%d\n%s", a.Status, strings.ReplaceAll(header.String(), "\r", ""))
	if b.WriteByte('\n'); utf8.Valid(a.Body) && !strings.ContainsFunc(string(a.Body), binary) {
		b.Write(a.Body)
	} else {
		fmt.Fprintf(&b, "(%s that are no text)", size(int64(len(a.Body))))
	}
	if a.Cut {
		fmt.Fprintf(&b, "\n… only the first %s", size(int64(len(a.Body))))
	}
	return b.String()
}

func binary(r rune) bool { return unicode.IsControl(r) && !unicode.IsSpace(r) }

func (p *testPrinter) did(d dryrun.Did) {
	for _, e := range d.Emitted {
		p.block(terminal.Good, "emitted", e.Lines)
		if e.Lacking > 0 {
			p.line(terminal.Bad, "  emitted %s that line protocol can't express, or not wholly", count(e.Lacking, "row"))
		}
	}
	for _, l := range d.Logs {
		p.line("", "  log: %s %s", l.Level, l.Text)
	}
	for _, c := range d.Cached {
		p.line("", "  cache: %s", cachedText(c))
	}
	for _, q := range d.Asked {
		answer := "got " + count(q.Rows, "row")
		if q.Refused {
			answer = "refused: no --query-answer is left"
		}
		p.line("", "  query: %s: %s", oneLine(q.Text), answer)
	}
	if d.Tasks > 0 {
		p.line("", "  began %s", count(d.Tasks, "goroutine"))
	}
}

func cachedText(c dryrun.Cached) string {
	key := strconv.Quote(c.Key)
	if c.Shared {
		key += " of all plugins"
	}
	switch {
	case c.Error != "":
		return fmt.Sprintf("put %s: %s", key, c.Error)
	case c.Deleted:
		return "delete " + key
	}
	value := strconv.Quote(cut(string(c.Value), 60))
	if c.TTL != 0 {
		return fmt.Sprintf("put %s = %s for %v", key, value, c.TTL)
	}
	return fmt.Sprintf("put %s = %s", key, value)
}

// state prints how the state has changed.
func (p *testPrinter) state(s *dryrun.StateChange) {
	switch {
	case s == nil:
	case s.Why != "":
		p.line("", "state: unknown: %s", s.Why)
	case bytes.Equal(s.Before, s.After):
		p.line("", "state: unchanged")
	default:
		p.difference("state (- before, + after)", string(diff.Diff("before", indented(s.Before), "after", indented(s.After))))
	}
}

func indented(text json.RawMessage) []byte {
	var b bytes.Buffer
	if json.Indent(&b, text, "", "  ") != nil {
		return text
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// difference prints a unified diff, without the names of the texts.
func (p *testPrinter) difference(title, text string) {
	if text == "" {
		return
	}
	p.line(terminal.Strong, "%s", title)
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "diff "), strings.HasPrefix(line, "--- "), strings.HasPrefix(line, "+++ "), strings.HasPrefix(line, "@@"):
		case strings.HasPrefix(line, "-"):
			p.line(terminal.Bad, "  %s", line)
		case strings.HasPrefix(line, "+"):
			p.line(terminal.Good, "  %s", line)
		default:
			p.line("", "  %s", line)
		}
	}
}
