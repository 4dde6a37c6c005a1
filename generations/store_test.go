package generations

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestStoreIsLocked(t *testing.T) {
	s := newStore(t)
	_, err := OpenStore(s.Dir(), quiet)
	wantIs(t, err, ErrLocked)
	var locked *LockedError
	if !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Errorf("OpenStore = %v, want the pid %d in it", err, os.Getpid())
	}
	reopen(t, s)
}

func TestReadStore(t *testing.T) {
	s := newStore(t)
	o := add(t, s, "x")
	publish(t, s, map[string]ID{"x": o.ID})
	if err := s.AppendEvent(Event{Kind: KindDeploy, Plugin: "x", To: o.ID, Release: 1}); err != nil {
		t.Fatal(err)
	}
	reader, err := ReadStore(s.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if r, err := reader.Current(); err != nil || r.Number != 1 {
		t.Errorf("Current = %+v, %v", r, err)
	}
	if events, err := reader.History(0); err != nil || len(events) != 1 {
		t.Errorf("History = %v, %v", events, err)
	}
	if report, err := reader.Prune(PruneOptions{DryRun: true}); err != nil || len(report.Objects) > 0 {
		t.Errorf("dry Prune = %v, %v", report, err)
	}
	_, err = reader.Prune(PruneOptions{})
	wantIs(t, err, ErrReadOnly)
	wantReadOnly(t, reader, ErrReadOnly)
	s.Close()
	s.Close()
	wantReadOnly(t, s, ErrStoreClosed)
	if _, err := ReadStore(filepath.Join(s.Dir(), "nothing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadStore of nothing = %v", err)
	}
}

func wantReadOnly(t *testing.T, s *Store, want error) {
	t.Helper()
	_, err := s.Add(t.Context(), source(t, "y"))
	wantIs(t, err, want)
	_, err = s.Publish(Manifest{})
	wantIs(t, err, want)
	wantIs(t, s.Confirm(1), want)
	wantIs(t, s.AppendEvent(Event{}), want)
	wantIs(t, s.Quarantine(Quarantine{Image: idOf("y")}), want)
	_, err = s.LiftQuarantine(idOf("y").Short())
	wantIs(t, err, want)
}

// A store that is closed while an image is copied gets no object after its lock is gone.
func TestCloseEndsAdd(t *testing.T) {
	s := newStore(t)
	s.disk.sync = func(*os.File) error { return s.Close() }
	_, err := s.Add(t.Context(), source(t, "x"))
	wantIs(t, err, ErrStoreClosed)
	if objects, _ := s.list(); len(objects) > 0 {
		t.Errorf("stored %v", objects)
	}
}

func TestOpenStoreSweepsLeftovers(t *testing.T) {
	s := newStore(t)
	o := add(t, s, "x")
	publish(t, s, map[string]ID{"x": o.ID})
	leftover := []string{
		"objects/.image.sohost-tmp-123", "releases/.000002.sohost-tmp-0/x.so",
		"releases/.dropped-000001.sohost-tmp-0/manifest.json", ".current.sohost-tmp-0", ".confirmed.sohost-tmp-0",
		"state/.x.cbor.sohost-tmp-12/.x.cbor56", "quarantine/.x.json.sohost-tmp-34/.x.json78",
		"triggers/.state.json.sohost-tmp-1/.state.json2", "letters/a/b/.1.json.sohost-tmp-1/.1.json2",
	}
	foreign := []string{
		".git/config", "objects/.nfs0001", "objects/README", "state/x.cbor", "state/.before-upgrade/x.cbor",
		"state/.x.cbor12", "releases/.before-upgrade", "quarantine/.before-upgrade", "quarantine/.kept/x.json",
		"objects/.sohost-tmp-1", "objects/x.sohost-tmp-1", "objects/.x.sohost-tmp-", "objects/.x.sohost-tmp-1a",
		"crashes/.x.txt.sohost-tmp-1", // the user's own, who may be writing it
	}
	for _, name := range append(leftover, foreign...) {
		path := filepath.Join(s.Dir(), name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	lock, err := AcquireLock(t.Context(), s.Dir())
	if err != nil {
		t.Fatal(err)
	}
	shared, err := OpenStore(s.Dir(), StoreOptions{Lock: lock, Shared: true, Log: quiet.Log})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range leftover {
		if _, err := os.Lstat(filepath.Join(s.Dir(), name)); err != nil {
			t.Errorf("%s may be another process's and was removed", name)
		}
	}
	shared.Close()
	lock.Close()
	s = reopen(t, s)
	for _, name := range leftover {
		if _, err := os.Lstat(filepath.Join(s.Dir(), name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there", name)
		}
	}
	for _, name := range foreign {
		if _, err := os.Lstat(filepath.Join(s.Dir(), name)); err != nil {
			t.Errorf("%s isn't ours and was removed", name)
		}
	}
	if _, err := s.Current(); err != nil {
		t.Error(err)
	}
}

// A store whose leftovers can't be looked for doesn't open, and lets go of its lock.
func TestOpenStoreSweepFails(t *testing.T) {
	s := newStore(t)
	s.Close()
	d := realDisk()
	d.readDir = func(string) ([]fs.DirEntry, error) { return nil, errInjected }
	_, err := openStore(s.dir, quiet, d)
	wantIs(t, err, errInjected)
	reopen(t, s)
}

func TestOpenStoreMakesParents(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b", "store")
	s, err := OpenStore(dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o644)
	if _, err := OpenStore(file, quiet); err == nil {
		t.Error("a file was opened as a store")
	}
}
