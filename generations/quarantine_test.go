package generations

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestQuarantine(t *testing.T) {
	s := newStore(t)
	second := Quarantine{
		Image: idOf("b"), Plugin: "x", Release: 3, Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		Reason: "nil pointer dereference", Detail: "goroutine 1\nmain.f()\n",
	}
	first := Quarantine{Image: idOf("a"), Time: second.Time.Add(-time.Hour), Reason: "first"}
	if list, err := s.Quarantines(); err != nil || len(list) > 0 {
		t.Errorf("Quarantines of a new store = %v, %v", list, err)
	}
	for _, q := range []Quarantine{second, first} {
		if err := s.Quarantine(q); err != nil {
			t.Fatal(err)
		}
	}
	s = reopen(t, s)
	wantQuarantine(t, s, second)
	if q, ok, err := s.Quarantined(idOf("c")); ok || err != nil {
		t.Errorf("Quarantined of another image = %v, %v, %v", q, ok, err)
	}
	os.WriteFile(filepath.Join(s.quarantine(), "README.json"), nil, 0o644)
	wantQuarantines(t, s, first, second)
	if q, err := s.LiftQuarantine(second.Image.Short()); err != nil || cmp.Diff(second, q) != "" {
		t.Fatalf("LiftQuarantine: %v\n%s", err, cmp.Diff(second, q))
	}
	wantQuarantines(t, s, first)
	_, err := s.LiftQuarantine(second.Image.String())
	wantIs(t, err, ErrNotQuarantined)
	if q, ok, err := s.Quarantined(second.Image); ok || err != nil {
		t.Errorf("Quarantined of a released image = %v, %v, %v", q, ok, err)
	}
	events, err := s.History(0)
	if err != nil || len(events) != 3 {
		t.Fatalf("History = %v, %v", events, err)
	}
	events[2].Time = time.Time{} // of the lift
	want := []Event{
		{Time: second.Time, Kind: KindQuarantine, Plugin: "x", From: second.Image, Release: 3, Detail: second.Reason},
		{Time: first.Time, Kind: KindQuarantine, From: first.Image, Detail: "first"},
		{Kind: KindLift, Plugin: "x", From: second.Image, Release: 3},
	}
	if diff := cmp.Diff(want, events); diff != "" {
		t.Errorf("history:\n%s", diff)
	}
}

func TestLiftQuarantineByDigits(t *testing.T) {
	s := newStore(t)
	first := idOf("0")
	var second ID // begins with the same digit
	for i := 1; second.IsZero(); i++ {
		if id := idOf(strconv.Itoa(i)); id.String()[0] == first.String()[0] {
			second = id
		}
	}
	for _, id := range []ID{first, second} {
		if err := s.Quarantine(Quarantine{Image: id}); err != nil {
			t.Fatal(err)
		}
	}
	for digits, want := range map[string]error{
		"": ErrNotQuarantined, "*": ErrNotQuarantined, first.String() + "0": ErrNotQuarantined,
		strings.ToUpper(idOf("a").Short()): ErrNotQuarantined, first.String()[:1]: ErrAmbiguous,
	} {
		_, err := s.LiftQuarantine(digits)
		wantIs(t, err, want)
	}
	for _, id := range []ID{first, second} {
		if q, err := s.LiftQuarantine(id.Short()); err != nil || q.Image != id {
			t.Errorf("LiftQuarantine(%s) = %+v, %v", id.Short(), q, err)
		}
	}
	wantQuarantines(t, s)
}

func TestQuarantineBounds(t *testing.T) {
	s := newStore(t)
	q := Quarantine{Image: idOf("a"), Reason: "one\n\ttwo " + strings.Repeat("é", 2000), Detail: strings.Repeat("é\n", 20000)}
	if err := s.Quarantine(q); err != nil {
		t.Fatal(err)
	}
	got, _, err := s.Quarantined(q.Image)
	if err != nil || !strings.HasPrefix(got.Reason, "one two éé") || len(got.Reason) > maxQuarantineReason+len("…") {
		t.Errorf("reason %q, %v", got.Reason, err)
	}
	if len(got.Detail) > maxQuarantineDetail+len("…") ||
		!strings.HasSuffix(got.Detail, "…") || strings.Contains(got.Detail, "\ufffd") {
		t.Errorf("detail of %d bytes ends %q", len(got.Detail), got.Detail[len(got.Detail)-8:])
	}
	if time.Since(got.Time) > time.Hour {
		t.Errorf("a record without time got %v", got.Time)
	}
	again := Quarantine{Image: q.Image, Time: got.Time, Reason: "again"}
	if err := s.Quarantine(again); err != nil {
		t.Fatal(err)
	}
	wantQuarantines(t, s, again)
	if err := s.Quarantine(Quarantine{Reason: "of nothing"}); err == nil {
		t.Error("no image was put into quarantine")
	}
}

// Whatever stands under the name of a record keeps the image from being tried.
func TestQuarantineFailsSafe(t *testing.T) {
	id := idOf("a")
	for name, spoil := range map[string]func(path string) error{
		"is empty": func(path string) error { return os.WriteFile(path, nil, 0o644) },
		"is torn":  func(path string) error { return os.Truncate(path, 20) },
		"is of another": func(path string) error {
			return os.WriteFile(path, []byte(`{"image":"`+idOf("b").String()+`"}`), 0o644)
		},
		"is a directory":     func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o755)) },
		"is a FIFO":          func(path string) error { return errors.Join(os.Remove(path), unix.Mkfifo(path, 0o644)) },
		"leads nowhere":      func(path string) error { return errors.Join(os.Remove(path), os.Symlink("nothing", path)) },
		"is made by a human": func(path string) error { return os.WriteFile(path, []byte("crashes on Mondays\n"), 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			if err := s.Quarantine(Quarantine{Image: id, Reason: "x"}); err != nil {
				t.Fatal(err)
			}
			if err := spoil(s.quarantinePath(id)); err != nil {
				t.Fatal(err)
			}
			q, ok, err := s.Quarantined(id)
			if !ok || err != nil || q.Image != id || !strings.Contains(q.Reason, "can't be read: ") || time.Since(q.Time) > time.Hour {
				t.Errorf("Quarantined = %+v, %v, %v", q, ok, err)
			}
			wantQuarantines(t, s, q)
			if _, err := s.LiftQuarantine(id.String()); err != nil {
				t.Error(err)
			}
			wantQuarantines(t, s)
		})
	}
}

// No single failure of the disk lets an image loose.
func TestQuarantinedWithFaults(t *testing.T) {
	s := newStore(t)
	q := Quarantine{Image: idOf("a"), Reason: "x"}
	if err := s.Quarantine(q); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []faultMode{failBefore, failAfter, failRest} {
		for at := 1; ; at++ {
			faults := &faults{mode: mode, at: at}
			s.disk = faults.wrap(fastDisk())
			if got, ok, err := s.Quarantined(q.Image); !ok || got.Image != q.Image {
				t.Errorf("Quarantined = %+v, %v, %v; operation %d, %s, failed", got, ok, err, at, faults.failed)
			}
			if faults.failed == "" {
				break
			}
		}
	}
}

func TestQuarantineCannotBeTold(t *testing.T) {
	s := newStore(t)
	if err := os.WriteFile(s.quarantine(), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if q, ok, err := s.Quarantined(idOf("a")); !ok || !errors.Is(err, unix.ENOTDIR) || q.Reason == "" {
		t.Errorf("Quarantined = %+v, %v, %v; want true and the error", q, ok, err)
	}
	if _, err := s.Quarantines(); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("Quarantines: %v", err)
	}
}

// A record that can't even be looked at is listed, and its error returned.
func TestQuarantinesListUnreadable(t *testing.T) {
	s := newStore(t)
	id := idOf("a")
	if err := s.Quarantine(Quarantine{Image: id, Reason: "x"}); err != nil {
		t.Fatal(err)
	}
	s.disk.lstat = func(string) (fs.FileInfo, error) { return nil, errInjected }
	list, err := s.Quarantines()
	wantIs(t, err, errInjected)
	if len(list) != 1 || list[0].Image != id || !strings.Contains(list[0].Reason, errInjected.Error()) {
		t.Errorf("Quarantines = %+v", list)
	}
}

// The history may have got one of two events only; nobody is told of it but the log.
func TestQuarantineLogsLostEvent(t *testing.T) {
	s, log := loggedStore(t)
	if err := s.Quarantine(Quarantine{Image: idOf("a")}); err != nil || log.Len() > 0 {
		t.Errorf("Quarantine: %v, log: %s", err, log)
	}
	s.disk.write = func(f *os.File, p []byte) (int, error) {
		if filepath.Base(f.Name()) == historyFile {
			return 0, errInjected
		}
		return f.Write(p)
	}
	if err := s.Quarantine(Quarantine{Image: idOf("a")}); err != nil || !strings.Contains(log.String(), errInjected.Error()) {
		t.Errorf("Quarantine: %v, log: %s", err, log)
	}
}

func TestQuarantineReadStore(t *testing.T) {
	s := newStore(t)
	q := Quarantine{Image: add(t, s, "x").ID, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Reason: "x"}
	if err := s.Quarantine(q); err != nil {
		t.Fatal(err)
	}
	// The record outlasts the image, whose bytes may come back.
	if report, err := s.Prune(PruneOptions{}); err != nil || len(report.Objects) != 1 {
		t.Fatalf("Prune = %+v, %v", report, err)
	}
	reader, err := ReadStore(s.Dir())
	if err != nil {
		t.Fatal(err)
	}
	wantQuarantine(t, reader, q)
	wantQuarantines(t, reader, q)
}

// The history is a record and no state: a quarantine holds without it.
func TestQuarantineWithoutHistory(t *testing.T) {
	s := newStore(t)
	if err := os.Mkdir(filepath.Join(s.Dir(), historyFile), 0o755); err != nil {
		t.Fatal(err)
	}
	q := Quarantine{Image: idOf("a"), Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Reason: "x"}
	if err := s.Quarantine(q); err != nil {
		t.Error(err)
	}
	wantQuarantines(t, s, q)
	if _, err := s.LiftQuarantine(q.Image.String()); err != nil {
		t.Error(err)
	}
	wantQuarantines(t, s)
}

func wantQuarantine(t *testing.T, s *Store, want Quarantine) {
	t.Helper()
	got, ok, err := s.Quarantined(want.Image)
	if !ok || err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("Quarantined: %v, %v\n%s", ok, err, cmp.Diff(want, got))
	}
}

func wantQuarantines(t *testing.T, s *Store, want ...Quarantine) {
	t.Helper()
	got, err := s.Quarantines()
	if err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("Quarantines: %v\n%s", err, cmp.Diff(want, got))
	}
}
