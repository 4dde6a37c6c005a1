package generations

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// published returns a store with one release, one event and one image in quarantine, whose id is known, and the paths of the three
// files.
func published(t testing.TB) (s *Store, id ID, manifest, history, quarantine string) {
	t.Helper()
	s, err := OpenStore(t.TempDir(), StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	file := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(file, []byte("image"), 0o600); err != nil {
		t.Fatal(err)
	}
	object, err := s.Add(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	id = object.ID
	r, err := s.Publish(Manifest{Cause: "test", Plugins: map[string]Entry{"a": {Image: id, Source: file}}})
	err = errors.Join(err, s.AppendEvent(Event{Kind: KindBoot, Plugin: "a", To: id, Release: 1}), s.Quarantine(Quarantine{Image: id, Plugin: "a"}))
	if err != nil {
		t.Fatal(err)
	}
	return s, id, filepath.Join(r.Dir, manifestFile), filepath.Join(s.dir, "history.jsonl"), filepath.Join(s.dir, "quarantine", id.String()+".json")
}

// FuzzRecords reads manifests, histories and quarantine records with any content. What can't be read is an error that names it, and
// keeps nothing else from being read.
func FuzzRecords(f *testing.F) {
	s, id, manifest, history, quarantine := published(f)
	for _, file := range []string{manifest, history, quarantine} {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, text := range []string{"", "{}", "null", "[]", `{"number":1}`, `{"number":1,"plugins":{"../x":{}}}`, "{\"time\":\"x\"}\n{}\n", "\xff\n\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, file := range []string{manifest, history, quarantine} {
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if r, err := s.Release(1); err == nil && (r.Number != 1 || !strings.Contains(string(data), "number")) {
			t.Errorf("release 1 is %+v", r)
		} else if err != nil && !strings.Contains(err.Error(), "release 1") {
			t.Errorf("the error names no release: %v", err)
		}
		s.Current()
		s.Releases()
		if events, err := s.History(10); err != nil || len(events) > 10 {
			t.Errorf("the history is %d events, %v", len(events), err)
		}
		if q, is, err := s.Quarantined(id); !is || q.Image != id || err != nil { // one that can't be read holds all the same
			t.Errorf("in quarantine is %+v, %v, %v", q, is, err)
		}
		if all, _ := s.Quarantines(); len(all) != 1 {
			t.Errorf("%d images are in quarantine", len(all))
		}
	})
}

// TestStrangeRecords reads a manifest that is no file that anybody wrote.
func TestStrangeRecords(t *testing.T) {
	s, _, manifest, _, _ := published(t)
	for what, put := range map[string]func() error{
		"FIFO":      func() error { return unix.Mkfifo(manifest, 0o600) },
		"directory": func() error { return os.Mkdir(manifest, 0o700) },
		"more than": func() error {
			f, err := os.Create(manifest)
			if err != nil {
				return err
			}
			defer f.Close()
			return f.Truncate(1 << 40)
		},
	} {
		if err := errors.Join(os.RemoveAll(manifest), put()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Release(1); !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
