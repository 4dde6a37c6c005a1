package triggers

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/netresearch/go-cron"

	"github.com/sohost/sohost/internal/routes"
)

// Kind is what a trigger waits for.
type Kind string

// The kinds of triggers.
const (
	Request Kind = "request"
	Write   Kind = "write"
	Every   Kind = "every"
	Cron    Kind = "cron"
)

// Spec says when a trigger fires. Parse makes one.
type Spec struct {
	Kind  Kind
	Path  string        // of Request: begins with /
	Table string        // of Write; empty is every table
	Every time.Duration // of Every

	text string
	cron cron.Schedule // of Cron
}

// The bounds of an "every:DURATION". A year is the model's.
const (
	minEvery = 100 * time.Millisecond
	maxEvery = 366 * 24 * time.Hour
)

// enginePath is what precedes the path of a "request:PATH" in its second address.
const enginePath = "/api/v3/engine"

const wantSpec = `want "request:PATH", "write:TABLE", "write:*", "every:DURATION" or "cron:EXPRESSION"`

// Parse reads a spec: "request:PATH", "write:TABLE", "write:*", "every:DURATION" or "cron:EXPRESSION". "table:NAME" and "all_tables" are
// other words for the second and the third.
//
// A duration is from 100 ms to 366 days; it also takes the units d and w. An expression has the five fields of crontab(5), or six with
// seconds before them, and times in UTC unless CRON_TZ=ZONE stands before it. As in crontab(5), a time matches if the day of the month
// or that of the week does, where both are restricted.
func Parse(text string) (Spec, error) {
	if text == "all_tables" {
		return Spec{Kind: Write, text: "write:*"}, nil
	}
	kind, rest, found := strings.Cut(text, ":")
	if !found {
		return Spec{}, fmt.Errorf("%q says not when: %s", text, wantSpec)
	}
	s := Spec{Kind: Kind(kind)}
	var err error
	switch s.Kind {
	case Request:
		err = s.request(rest)
	case Write, "table":
		err = s.write(rest, s.Kind == Write)
	case Every:
		err = s.every(rest)
	case Cron:
		err = s.expression(rest)
	default:
		return Spec{}, fmt.Errorf("%q is no kind of trigger: %s", kind, wantSpec)
	}
	if err != nil {
		return Spec{}, fmt.Errorf("%q: %w", text, err)
	}
	return s, nil
}

// String returns the spec in its first form: "table:x" is "write:x".
func (s Spec) String() string { return s.text }

func (s *Spec) request(p string) error {
	if p == "" || strings.ContainsAny(p, "?#") || strings.ContainsFunc(p, unicode.IsSpace) {
		return errors.New(`want the path of a URL, such as "request:/report"`)
	}
	if !strings.HasPrefix(p, "/") { // as InfluxDB writes it
		p = "/" + p
	}
	var err error
	if s.Path, err = routes.Clean(p); err != nil {
		return err
	}
	if s.Path == "/" {
		return errors.New(`want a path below /; to serve everything is what routes = ["/"] is for`)
	}
	s.text = "request:" + s.Path
	return nil
}

func (s *Spec) write(table string, star bool) error {
	switch {
	case table == "":
		return errors.New(`want the name of a table, or "write:*" for all`)
	case table == "*" && star:
		table = ""
	case table == "*":
		return errors.New(`want the name of a table; all are "all_tables" or "write:*"`)
	}
	s.Kind, s.Table, s.text = Write, table, "write:"+table
	if table == "" {
		s.text = "write:*"
	}
	return nil
}

func (s *Spec) every(text string) error {
	d, err := duration(text)
	if err != nil {
		return err
	}
	if d < minEvery || d > maxEvery {
		return fmt.Errorf("want %v to 366 days", minEvery)
	}
	s.Every, s.text = d, "every:"+text
	return nil
}

// duration is time.ParseDuration, and takes whole days and weeks, too.
func duration(text string) (time.Duration, error) {
	for suffix, unit := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if n, found := strings.CutSuffix(text, suffix); found {
			var count int
			if _, err := fmt.Sscanf(n+"|", "%d|", &count); err != nil || count < 1 || count > 366 {
				return 0, fmt.Errorf("%q: want a duration such as 10s, 1h30m or 1d", text)
			}
			return time.Duration(count) * unit, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q: want a duration such as 10s, 1h30m or 1d", text)
	}
	return d, nil
}

var cronParser = cron.MustNewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.DowOrDom)

func (s *Spec) expression(text string) error {
	text = strings.TrimSpace(text)
	fields, zone := text, "UTC"
	if rest, found := strings.CutPrefix(text, "CRON_TZ="); found {
		zone, fields, _ = strings.Cut(rest, " ")
	}
	// The library's messages for these are for programmers.
	if _, err := time.LoadLocation(zone); err != nil || zone == "" || zone == "Local" {
		return fmt.Errorf("%q is no time zone of this machine: want a name such as Europe/Berlin", zone)
	}
	if n := len(strings.Fields(fields)); n != 5 && n != 6 {
		return fmt.Errorf("want 5 fields, minute hour day month weekday, or 6 with the second before them, not %d", n)
	}
	schedule, err := cronParser.Parse("CRON_TZ=" + zone + " " + strings.Join(strings.Fields(fields), " "))
	if err != nil {
		return err
	}
	if schedule.Next(time.Now()).IsZero() {
		return errors.New("there is no such time")
	}
	s.cron, s.text = schedule, "cron:"+text
	return nil
}

// Scheduled reports whether a trigger of the spec fires at set times.
func (s Spec) Scheduled() bool { return s.Kind == Every || s.Kind == Cron }

// Next returns the first time after t that the spec names, or the zero time if there is none. Those of "every" are multiples of its
// duration since 1970 UTC.
func (s Spec) Next(t time.Time) time.Time {
	switch s.Kind {
	case Every:
		since := t.Sub(time.Unix(0, 0))
		return time.Unix(0, int64(since-since%s.Every+s.Every)).UTC()
	case Cron:
		return s.cron.Next(t).UTC()
	}
	return time.Time{}
}

// maxCounted bounds how many times of a cron expression are counted.
const maxCounted = 10_000

// Passed returns how many times the spec names after from, up to and including until, and the last of them. It counts up to 10,000 of
// a cron expression; last is then too early.
func (s Spec) Passed(from, until time.Time) (n int, last time.Time) {
	if s.Kind == Every {
		first := s.Next(from)
		if first.After(until) {
			return 0, time.Time{}
		}
		more := until.Sub(first) / s.Every
		return int(more) + 1, first.Add(more * s.Every)
	}
	for t := s.Next(from); !t.IsZero() && !t.After(until) && n < maxCounted; t = s.Next(t) {
		n, last = n+1, t
	}
	return n, last
}
