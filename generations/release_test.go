package generations

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPublish(t *testing.T) {
	s := newStore(t)
	_, err := s.Current()
	wantIs(t, err, ErrNoRelease)
	a, b := add(t, s, "a"), add(t, s, "b")
	m := Manifest{
		Cause:      "deploy by hand",
		RollbackOf: 7,
		Time:       time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600)),
		Plugins: map[string]Entry{
			"a":   {Image: a.ID, Version: "v1", Source: "build/a.so"},
			"b-c": {Image: b.ID, Skipped: a.ID},
		},
	}
	first, err := s.Publish(m)
	if err != nil {
		t.Fatal(err)
	}
	second := publish(t, s, map[string]ID{"a": b.ID})
	if first.Number != 1 || first.Previous != 0 || second.Number != 2 || second.Previous != 1 {
		t.Errorf("numbers: %d after %d, %d after %d", first.Number, first.Previous, second.Number, second.Previous)
	}
	s = reopen(t, s)
	for n, want := range map[int]Release{1: first, 2: second} {
		got, err := s.Release(n)
		if err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("Release(%d): %v\n%s", n, err, cmp.Diff(want, got))
		}
	}
	if got, err := s.Current(); err != nil || cmp.Diff(second, got) != "" {
		t.Errorf("Current: %v\n%s", err, cmp.Diff(second, got))
	}
	// The links are for people and other programs: through them the image is found.
	if got, err := os.ReadFile(filepath.Join(s.Dir(), "current", "a.so")); err != nil || string(got) != "image of b" {
		t.Errorf("current/a.so holds %q, %v", got, err)
	}
	checkStore(t, s)
}

func TestPublishRefuses(t *testing.T) {
	s := newStore(t)
	o := add(t, s, "x")
	want := publish(t, s, map[string]ID{"x": o.ID})
	for _, name := range []string{"", ".", "..", ".x", "-x", "_x", "a/b", "../x", "a b", "a\x00", "ä", strings.Repeat("a", 101)} {
		if ValidName(name) {
			t.Errorf("ValidName(%q)", name)
		}
		_, err := s.Publish(manifest(map[string]ID{name: o.ID}))
		wantIs(t, err, ErrName)
	}
	for _, name := range []string{"a", "0", "A.b-c_d", "manifest", strings.Repeat("a", 100)} {
		if !ValidName(name) {
			t.Errorf("!ValidName(%q)", name)
		}
	}
	_, err := s.Publish(manifest(map[string]ID{"x": idOf("unknown")}))
	wantIs(t, err, ErrNotStored)
	var missing *NotStoredError
	if !errors.As(err, &missing) || missing.Plugin != "x" {
		t.Errorf("Publish = %v, want the plugin's name in it", err)
	}
	if got, err := s.Current(); err != nil || cmp.Diff(want, got) != "" {
		t.Errorf("current has changed: %v\n%s", err, cmp.Diff(want, got))
	}
	checkStore(t, s)
}

// Releases outlive the program that wrote them: fields that this version doesn't know are no reason to refuse one.
func TestReleaseOfAnotherVersion(t *testing.T) {
	s := newStore(t)
	o := add(t, s, "x")
	r := publish(t, s, map[string]ID{"x": o.ID})
	content := `{"number": 1, "plugins": {"x": {"image": "` + o.ID.String() + `", "passed_over": "` + o.ID.String() + `"}}}`
	if err := os.WriteFile(filepath.Join(r.Dir, manifestFile), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := reopen(t, s).Current(); err != nil || got.Plugins["x"] != (Entry{Image: o.ID}) {
		t.Errorf("Current = %+v, %v", got, err)
	}
}

// A reader has no lock: the link may be flipped and its release pruned between the two looks.
func TestReadDuringFlip(t *testing.T) {
	s := newStore(t)
	x, y := add(t, s, "x"), add(t, s, "y")
	publish(t, s, map[string]ID{"x": x.ID})
	reader, err := ReadStore(s.Dir())
	if err != nil {
		t.Fatal(err)
	}
	readlink := reader.disk.readlink
	reader.disk.readlink = func(name string) (string, error) {
		target, err := readlink(name)
		if filepath.Base(name) == currentLink {
			reader.disk.readlink = readlink
			publish(t, s, map[string]ID{"x": y.ID})
			if _, err := s.Prune(PruneOptions{Keep: 1}); err != nil {
				t.Error(err)
			}
		}
		return target, err
	}
	if r, err := reader.Current(); err != nil || r.Number != 2 {
		t.Errorf("Current = %d, %v; want release 2", r.Number, err)
	}
}

// What Publish returns and writes is what it was given at that moment.
func TestPublishCopiesManifest(t *testing.T) {
	s := newStore(t)
	o := add(t, s, "x")
	m := manifest(map[string]ID{"x": o.ID})
	r, err := s.Publish(m)
	if err != nil {
		t.Fatal(err)
	}
	m.Plugins["y"] = Entry{}
	if len(r.Plugins) != 1 || time.Since(r.Time) > time.Hour || r.Time.Location() != time.UTC {
		t.Errorf("Publish = %+v", r)
	}
	if got, err := s.Release(1); err != nil || cmp.Diff(r, got) != "" {
		t.Errorf("Release: %v\n%s", err, cmp.Diff(r, got))
	}
}

// A release that could not be made current is taken away again, unless it may be current after all.
func TestPublishTakesReleaseBack(t *testing.T) {
	for mode, want := range map[faultMode]int{failBefore: 1, failAfter: 2} {
		s := newStore(t)
		o := add(t, s, "x")
		publish(t, s, map[string]ID{"x": o.ID})
		rename := s.disk.rename
		s.disk.rename = func(from, to string) error {
			if filepath.Base(to) != currentLink {
				return rename(from, to)
			}
			if mode == failAfter {
				rename(from, to)
			}
			return errInjected
		}
		_, err := s.Publish(manifest(map[string]ID{"x": o.ID}))
		wantIs(t, err, errInjected)
		if all, err := s.Releases(); err != nil || len(all) != want {
			t.Errorf("%s: %d releases, %v; want %d", mode, len(all), err, want)
		}
		checkStore(t, s)
	}
}

// A release that can't be given its name leaves nothing, and neither does one that can't be built.
func TestPublishCleansUp(t *testing.T) {
	for _, spoil := range []func(d *disk){
		func(d *disk) { d.rename = func(string, string) error { return errInjected } },
		func(d *disk) { d.symlink = func(string, string) error { return errInjected } },
	} {
		s := newStore(t)
		o := add(t, s, "x")
		spoil(s.disk)
		_, err := s.Publish(manifest(map[string]ID{"x": o.ID}))
		wantIs(t, err, errInjected)
		checkStore(t, s)
	}
}

func TestConfirm(t *testing.T) {
	s := newStore(t)
	_, err := s.Confirmed()
	wantIs(t, err, ErrNoRelease)
	wantIs(t, s.Confirm(1), ErrNoRelease)
	o := add(t, s, "x")
	for range 2 {
		publish(t, s, map[string]ID{"x": o.ID})
	}
	for _, n := range []int{1, 2, 2} {
		if err := s.Confirm(n); err != nil {
			t.Fatal(err)
		}
		if r, err := s.Confirmed(); err != nil || r.Number != n {
			t.Errorf("Confirmed = %d, %v; want %d", r.Number, err, n)
		}
		if number, err := s.ConfirmedNumber(); err != nil || number != n {
			t.Errorf("ConfirmedNumber = %d, %v; want %d", number, err, n)
		}
	}
	checkStore(t, s)
}

// A broken release is reported and harms no other; publishing goes on.
func TestBrokenRelease(t *testing.T) {
	in := func(s *Store, name string) string { return filepath.Join(s.Dir(), "releases/000002", name) }
	breakages := map[string]func(s *Store, o Object) error{
		"no manifest":   func(s *Store, _ Object) error { return os.Remove(in(s, manifestFile)) },
		"torn manifest": func(s *Store, _ Object) error { return os.Truncate(in(s, manifestFile), 10) },
		"other's number": func(s *Store, _ Object) error {
			return os.WriteFile(in(s, manifestFile), []byte(`{"number":1}`), 0o644)
		},
		"bad name": func(s *Store, _ Object) error {
			return os.WriteFile(in(s, manifestFile), []byte(`{"number":2,"plugins":{"../x":{"image":"`+idOf("").String()+`"}}}`), 0o644)
		},
		"no link": func(s *Store, _ Object) error { return os.Remove(in(s, "x.so")) },
		"link elsewhere": func(s *Store, _ Object) error {
			return errors.Join(os.Remove(in(s, "x.so")), os.Symlink("/elsewhere", in(s, "x.so")))
		},
		"no object":    func(_ *Store, o Object) error { return os.Remove(o.Path) },
		"no file":      func(_ *Store, o Object) error { return errors.Join(os.Remove(o.Path), os.Mkdir(o.Path, 0o755)) },
		"no directory": func(s *Store, _ Object) error { return os.RemoveAll(in(s, "")) },
		"a file": func(s *Store, _ Object) error {
			return errors.Join(os.RemoveAll(in(s, "")), os.WriteFile(in(s, ""), nil, 0o644))
		},
		"dangling link":   func(s *Store, _ Object) error { return relink(s, "releases/000099") },
		"link to nothing": func(s *Store, _ Object) error { return relink(s, "/elsewhere") },
		"no link at all": func(s *Store, _ Object) error {
			return errors.Join(os.Remove(filepath.Join(s.Dir(), currentLink)), os.Mkdir(filepath.Join(s.Dir(), currentLink), 0o755))
		},
	}
	for name, wreck := range breakages {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			x, y := add(t, s, "x"), add(t, s, "y")
			publish(t, s, map[string]ID{"x": y.ID})
			publish(t, s, map[string]ID{"x": x.ID})
			if err := wreck(s, x); err != nil {
				t.Fatal(err)
			}
			s = reopen(t, s)
			_, err := s.Current()
			wantIs(t, err, ErrBroken)
			whole, err := s.Releases()
			if len(whole) == 0 || whole[0].Number != 1 {
				t.Errorf("Releases = %v, %v; want the first", whole, err)
			}
			if _, err := s.Prune(PruneOptions{}); err == nil {
				t.Error("Prune guessed what is needed")
			}
			if name == "no link at all" {
				return // a directory in the link's place can't be renamed over: for a person to look at
			}
			r := publish(t, s, map[string]ID{"x": y.ID})
			if got, err := s.Current(); err != nil || got.Number != r.Number || r.Number < 3 {
				t.Errorf("Current = %d, %v after release %d", got.Number, err, r.Number)
			}
			if _, err := s.Prune(PruneOptions{Keep: 1}); err != nil {
				t.Errorf("Prune: %v", err)
			}
		})
	}
}

func relink(s *Store, target string) error {
	link := filepath.Join(s.Dir(), currentLink)
	return errors.Join(os.Remove(link), os.Symlink(target, link))
}
