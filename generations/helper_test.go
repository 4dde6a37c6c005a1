package generations

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// quiet keeps the warnings that a test provokes out of its output.
var quiet = StoreOptions{Log: slog.New(slog.DiscardHandler)}

func newStore(t *testing.T) *Store {
	t.Helper()
	s, err := OpenStore(t.TempDir(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// loggedStore is a new store with its log.
func loggedStore(t *testing.T) (*Store, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	s, err := OpenStore(t.TempDir(), StoreOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, &log
}

// reopen closes a store and opens it again, as after a restart.
func reopen(t *testing.T, s *Store) *Store {
	t.Helper()
	s.Close()
	s, err := OpenStore(s.dir, quiet)
	if err != nil {
		t.Fatalf("reopen: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// source writes a file to add. The content is never the same for two names.
func source(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name+".so")
	if err := os.WriteFile(path, []byte("image of "+name), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func add(t *testing.T, s *Store, name string) Object {
	t.Helper()
	o, err := s.Add(t.Context(), source(t, name))
	if err != nil {
		t.Fatal(err)
	}
	if want := ID(sha256.Sum256([]byte("image of " + name))); o.ID != want {
		t.Fatalf("Add(%s) = %s, want %s", name, o.ID, want)
	}
	return o
}

func publish(t *testing.T, s *Store, images map[string]ID) Release {
	t.Helper()
	r, err := s.Publish(manifest(images))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func manifest(images map[string]ID) Manifest {
	m := Manifest{Cause: "test", Plugins: make(map[string]Entry)}
	for name, id := range images {
		m.Plugins[name] = Entry{Image: id}
	}
	return m
}

// checkStore fails the test unless the store holds nothing but whole things: what current and confirmed name, every release
// and the bytes of every object, and no leftovers.
func checkStore(t *testing.T, s *Store) {
	t.Helper()
	for _, get := range []func() (Release, error){s.Current, s.Confirmed} {
		if _, err := get(); err != nil && !errors.Is(err, ErrNoRelease) {
			t.Errorf("a link leads nowhere: %v", err)
		}
	}
	if _, err := s.Releases(); err != nil {
		t.Errorf("releases: %v", err)
	}
	objects, err := s.list()
	if err != nil {
		t.Error(err)
	}
	for _, o := range objects {
		if err := s.Verify(t.Context(), o.ID); err != nil {
			t.Error(err)
		}
		if fi, err := os.Lstat(o.Path); err != nil || fi.Mode() != 0o400 {
			t.Errorf("%s: mode %v, %v; want a file of mode 0400", o.Path, fi.Mode(), err)
		}
	}
	if left := leftovers(t, s.dir); len(left) > 0 {
		t.Errorf("leftovers: %v", left)
	}
}

func leftovers(t *testing.T, dir string) []string {
	t.Helper()
	var left []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), ".") {
			left = append(left, path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return left
}

// wantIs fails the test unless err matches the sentinel and says so in words.
func wantIs(t *testing.T, err, sentinel error) {
	t.Helper()
	if !errors.Is(err, sentinel) {
		t.Errorf("error %v, want one that matches %v", err, sentinel)
	}
}

func idOf(s string) ID { return sha256.Sum256([]byte(s)) }

func numbered(prefix string, n int) string { return fmt.Sprintf("%s-%d", prefix, n) }

// A form is a way in which leases are kept. Its begin makes this process take it until the test ends.
type form struct {
	name  string
	begin func(t *testing.T)
}

// inForms tests each form of leases.
func inForms(t *testing.T, test func(t *testing.T)) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			f.begin(t)
			test(t)
		})
	}
}
