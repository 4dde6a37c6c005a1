package generations

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHistory(t *testing.T) {
	s := newStore(t)
	full := Event{
		Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Kind: KindDeploy, Plugin: "x", From: idOf("a"), To: idOf("b"),
		Release: 3, Detail: "line one\nline two", Phases: map[string]time.Duration{"open": 2 * time.Millisecond},
	}
	want := []Event{full, {Time: full.Time.Add(1), Kind: "own kind"}}
	for _, e := range want {
		if err := s.AppendEvent(e); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.History(0)
	if err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("History: %v\n%s", err, cmp.Diff(want, got))
	}
	if got, err := s.History(1); err != nil || cmp.Diff(want[1:], got) != "" {
		t.Errorf("History(1): %v\n%s", err, cmp.Diff(want[1:], got))
	}
	if err := s.AppendEvent(Event{}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.History(1); err != nil || time.Since(got[0].Time) > time.Hour {
		t.Errorf("an event without time got %v, %v", got, err)
	}
}

func TestHistoryTornLine(t *testing.T) {
	for _, tear := range []string{
		`{"time":"2026-01-02T03:04:05Z","kind":"dep`, `{}`, "\x00\x00\x00",
		strings.Repeat("x", maxEventLine-1), strings.Repeat("\x00", 3*maxEventLine),
	} {
		s := newStore(t)
		if err := s.AppendEvent(Event{Plugin: "first"}); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(filepath.Join(s.Dir(), historyFile), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		f.WriteString(tear)
		f.Close()
		wantPlugins(t, s, "first")
		s = reopen(t, s)
		if err := s.AppendEvent(Event{Plugin: "second"}); err != nil {
			t.Fatal(err)
		}
		wantPlugins(t, s, "first", "second")
	}
}

// An event must not be written behind a torn line that can't be repaired: it would be lost with it.
func TestHistoryTornLineStays(t *testing.T) {
	for name, spoil := range map[string]func(d *disk){
		"read":     func(d *disk) { d.readAt = func(*os.File, []byte, int64) (int, error) { return 0, errInjected } },
		"truncate": func(d *disk) { d.truncate = func(*os.File, int64) error { return errInjected } },
	} {
		s := newStore(t)
		if err := os.WriteFile(filepath.Join(s.Dir(), historyFile), []byte(`{"plugin":"torn`), 0o644); err != nil {
			t.Fatal(err)
		}
		spoil(s.disk)
		if err := s.AppendEvent(Event{Plugin: "x"}); !errors.Is(err, errInjected) {
			t.Errorf("%s fails: %v", name, err)
		}
	}
}

func TestHistoryRotates(t *testing.T) {
	opts := quiet
	opts.MaxHistory = 2000
	s, err := OpenStore(t.TempDir(), opts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const events = 200
	for i := range events {
		if err := s.AppendEvent(Event{Plugin: numbered("p", i)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{historyFile, olderHistory} {
		if size := stat(t, filepath.Join(s.Dir(), name)).Size(); size > opts.MaxHistory || size == 0 {
			t.Errorf("%s has %d bytes, the limit is %d", name, size, opts.MaxHistory)
		}
	}
	kept, err := s.History(0)
	if err != nil || len(kept) < 20 {
		t.Fatalf("%d events kept, %v", len(kept), err)
	}
	for i, e := range kept {
		if want := numbered("p", events-len(kept)+i); e.Plugin != want {
			t.Fatalf("event %d is %s, want %s: the order is broken or one is missing", i, e.Plugin, want)
		}
	}
	// Another process rotates while this one reads.
	want := len(kept) // then the older file is the one that was open already
	open := s.disk.open
	s.disk.open = func(name string, flag int, perm fs.FileMode) (*os.File, error) {
		f, err := open(name, flag, perm)
		if filepath.Base(name) == historyFile {
			if err := s.rotate(); err != nil {
				t.Error(err)
			}
		}
		return f, err
	}
	seen := make(map[string]bool)
	got, err := s.History(0)
	for _, e := range got {
		if seen[e.Plugin] {
			t.Fatalf("event %s was read twice", e.Plugin)
		}
		seen[e.Plugin] = true
	}
	if err != nil || len(got) == 0 || len(got) > want || got[len(got)-1].Plugin != numbered("p", events-1) {
		t.Errorf("History while rotating: %d events, %v", len(got), err)
	}
}

// Each number of events is the newest so many, from whichever half, and the older half is read only if it must be.
func TestHistoryCount(t *testing.T) {
	opts := quiet
	opts.MaxHistory = 300
	s, err := openStore(t.TempDir(), opts, fastDisk())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for n := range 7 {
		if err := s.AppendEvent(Event{Plugin: strconv.Itoa(n)}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.History(-1)
	if err != nil {
		t.Fatal(err)
	}
	newer, err := os.ReadFile(filepath.Join(s.dir, historyFile))
	if err != nil {
		t.Fatal(err)
	}
	inNewer := bytes.Count(newer, []byte("\n"))
	if inNewer < 2 || len(all) <= inNewer {
		t.Fatalf("%d events, %d in the newer half: not what is to be tested", len(all), inNewer)
	}
	for n := range len(all) + 2 {
		want := all[max(0, len(all)-n):]
		if n == 0 {
			want = all
		}
		if got, err := s.History(n); err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("History(%d): %v\n%s", n, err, cmp.Diff(want, got))
		}
	}
	s.disk.read = func(f *os.File, p []byte) (int, error) {
		if filepath.Base(f.Name()) == olderHistory {
			return 0, errInjected
		}
		return f.Read(p)
	}
	for n := range len(all) + 1 {
		if _, err := s.History(n); errors.Is(err, errInjected) != (n == 0 || n > inNewer) {
			t.Errorf("History(%d) with %d events in the newer half: %v", n, inNewer, err)
		}
	}
}

// An event that fits exactly is written where it is; one byte more begins a new file.
func TestHistoryRotatesAtLimit(t *testing.T) {
	event := Event{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	line, err := encodeEvent(event.Normal())
	if err != nil {
		t.Fatal(err)
	}
	for room, rotated := range map[int64]bool{0: false, 1: true} {
		opts := quiet
		opts.MaxHistory = 2*int64(len(line)) - room
		s, err := openStore(t.TempDir(), opts, fastDisk())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for range 2 {
			if err := s.AppendEvent(event); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := os.Stat(filepath.Join(s.dir, olderHistory)); (err == nil) != rotated {
			t.Errorf("%d bytes short: rotated is %v, want %v", room, err == nil, rotated)
		}
	}
}

func TestHistoryLimitsDetail(t *testing.T) {
	s := newStore(t)
	if err := s.AppendEvent(Event{Detail: strings.Repeat("€", maxEventDetail)}); err != nil {
		t.Fatal(err)
	}
	events, err := s.History(0)
	if err != nil || len(events) != 1 {
		t.Fatalf("History = %d events, %v", len(events), err)
	}
	if d := events[0].Detail; len(d) > maxEventDetail+10 || strings.ContainsRune(d, '�') {
		t.Errorf("detail of %d bytes, ends in %q", len(d), d[len(d)-6:])
	}
	// Worst case: what JSON escapes.
	if err := s.AppendEvent(Event{Detail: strings.Repeat("\x01", maxEventDetail)}); err == nil {
		t.Error("a line longer than the limit was appended")
	}
}

func TestCut(t *testing.T) {
	for _, test := range []struct {
		text  string
		limit int
		want  string
	}{
		{"abc", 3, "abc"}, {"abcd", 3, "abc…"}, {"aéb", 2, "a…"}, {"aéb", 3, "aé…"}, {"\x80\x80\x80", 2, "…"}, {"", 0, ""},
	} {
		if got := cut(test.text, test.limit); got != test.want {
			t.Errorf("cut(%q, %d) = %q, want %q", test.text, test.limit, got, test.want)
		}
	}
}

// The longest line that is accepted, and the first that isn't.
func TestHistoryLimitsLine(t *testing.T) {
	e := Event{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	e.Plugin = "x"
	line, err := encodeEvent(e.Normal())
	if err != nil {
		t.Fatal(err)
	}
	room := maxEventLine - len(line) + 1
	e.Plugin = strings.Repeat("x", room)
	if line, err := encodeEvent(e.Normal()); err != nil || len(line) != maxEventLine {
		t.Errorf("%d bytes, %v; want %d", len(line), err, maxEventLine)
	}
	e.Plugin += "x"
	if line, err := encodeEvent(e.Normal()); err == nil {
		t.Errorf("a line of %d bytes was accepted", len(line))
	}
}

func wantPlugins(t *testing.T, s *Store, want ...string) {
	t.Helper()
	events, err := s.History(0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events {
		got = append(got, e.Plugin)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("history:\n%s", diff)
	}
}
