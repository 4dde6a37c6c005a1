package generations

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every operation on the disk fails once, in three ways. Whatever fails, the store as the next process finds it has a
// current release that is whole, and it is the one before or the new one; one retry then does what was to be done.
func TestFaultSweep(t *testing.T) {
	historyOnly := map[string]bool{"": true} // the history, which is about to be rotated, is a record and no state
	steps := map[string]struct {
		do   func(t *testing.T, s *Store, f *fixture) error
		done func(t *testing.T, s *Store, f *fixture) // fails the test unless do has been done

		unsynced map[string]bool // directories of the store whose fsync may fail unnoticed
		partial  bool            // without an error less may have been done
	}{
		"Add": {
			func(t *testing.T, s *Store, f *fixture) error {
				_, err := s.Add(t.Context(), f.source)
				return err
			},
			func(t *testing.T, s *Store, f *fixture) {
				if _, err := s.Object(idOf("image of new")); err != nil {
					t.Error(err)
				}
			},
			nil, false,
		},
		"Add again": {
			func(t *testing.T, s *Store, f *fixture) error {
				_, err := s.Add(t.Context(), f.sourceKnown)
				return err
			},
			func(t *testing.T, s *Store, f *fixture) {},
			nil, false,
		},
		"Publish": {
			func(t *testing.T, s *Store, f *fixture) error {
				_, err := s.Publish(manifest(map[string]ID{"a": f.spare, "b": f.spare}))
				return err
			},
			func(t *testing.T, s *Store, f *fixture) {
				if r, err := s.Current(); err != nil || r.Plugins["a"].Image != f.spare {
					t.Errorf("Current = %+v, %v", r, err)
				}
			},
			nil, false,
		},
		"Confirm": {
			func(t *testing.T, s *Store, f *fixture) error { return s.Confirm(f.current.Number) },
			func(t *testing.T, s *Store, f *fixture) {
				if r, err := s.Confirmed(); err != nil || r.Number != f.current.Number {
					t.Errorf("Confirmed = %+v, %v", r, err)
				}
			},
			nil, false,
		},
		"Prune": {
			func(t *testing.T, s *Store, f *fixture) error {
				_, err := s.Prune(PruneOptions{Keep: 1})
				return err
			},
			func(t *testing.T, s *Store, f *fixture) {
				releases, err := s.Releases()
				if err != nil || len(releases) != 2 {
					t.Errorf("%d releases, %v; want the current and the confirmed one", len(releases), err)
				}
				if objects, err := s.list(); err != nil || len(objects) != 2 {
					t.Errorf("%d objects, %v; want those of the two releases", len(objects), err)
				}
			},
			nil, true, // a release that can't be read counts as broken, and one more is kept
		},
		"Drop": {
			func(t *testing.T, s *Store, f *fixture) error {
				_, err := s.Drop(f.spare, nil)
				return err
			},
			func(t *testing.T, s *Store, f *fixture) {
				if _, err := s.Object(f.spare); !errors.Is(err, ErrNotStored) {
					t.Errorf("Object = %v, want that it isn't stored", err)
				}
			},
			nil, false,
		},
		"Quarantine": {
			func(t *testing.T, s *Store, f *fixture) error {
				err := s.Quarantine(Quarantine{Image: f.spare, Reason: "test"})
				// The one in quarantine already stays there, whatever becomes of the other.
				s.disk = fastDisk()
				if q, ok, _ := s.Quarantined(f.quarantined); !ok || q.Reason != "fixture" {
					t.Errorf("Quarantined = %+v, %v", q, ok)
				}
				return err
			},
			func(t *testing.T, s *Store, f *fixture) {
				if q, ok, err := s.Quarantined(f.spare); !ok || err != nil || q.Reason != "test" {
					t.Errorf("Quarantined = %+v, %v, %v", q, ok, err)
				}
			},
			historyOnly, false,
		},
		"Quarantine, the first": {
			func(t *testing.T, s *Store, f *fixture) error {
				if err := s.disk.removeAll(s.quarantine()); err != nil {
					return err
				}
				return s.Quarantine(Quarantine{Image: f.spare, Reason: "test"})
			},
			func(t *testing.T, s *Store, f *fixture) {
				if list, err := s.Quarantines(); err != nil || len(list) != 1 || list[0].Reason != "test" {
					t.Errorf("Quarantines = %+v, %v", list, err)
				}
			},
			historyOnly, false,
		},
		"LiftQuarantine": {
			func(t *testing.T, s *Store, f *fixture) error {
				_, err := s.LiftQuarantine(f.quarantined.String())
				if errors.Is(err, ErrNotQuarantined) {
					return nil // the one before, whose last step failed, has done it
				}
				return err
			},
			func(t *testing.T, s *Store, f *fixture) {
				if q, ok, err := s.Quarantined(f.quarantined); ok || err != nil {
					t.Errorf("Quarantined = %+v, %v, %v", q, ok, err)
				}
			},
			historyOnly, false,
		},
		"AppendEvent": {
			func(t *testing.T, s *Store, f *fixture) error {
				return s.AppendEvent(Event{Kind: KindDeploy, Plugin: "the last"})
			},
			func(t *testing.T, s *Store, f *fixture) {
				if events, err := s.History(1); err != nil || len(events) != 1 || events[0].Plugin != "the last" {
					t.Errorf("History = %v, %v", events, err)
				}
			},
			nil, false,
		},
	}
	fixture := newFixture(t)
	for name, step := range steps {
		for _, mode := range []faultMode{failBefore, failAfter, failRest} {
			t.Run(name+", "+string(mode), func(t *testing.T) {
				t.Parallel() // it waits for the disk more than it computes
				dir := t.TempDir()
				for at := 1; ; at++ {
					f := fixture.copy(t, filepath.Join(dir, strconv.Itoa(at)))
					faults := &faults{mode: mode, at: at}
					f.store.disk = faults.wrap(fastDisk())
					err := step.do(t, f.store, f)
					faults.checkClosed(t)
					if faults.failed == "" {
						if err != nil {
							t.Fatal(err)
						}
						f.store.disk = fastDisk()
						step.done(t, f.store, f)
						if at < 4 {
							t.Errorf("only %d operations: the seam is not used", at-1)
						}
						return
					}
					s := f.reopen(t)
					checkStore(t, s)
					f.checkCurrent(t, s)
					if err == nil && !step.partial {
						step.done(t, s, f)
						if strings.HasPrefix(faults.failed, "sync ") && !step.unsynced[strings.TrimPrefix(faults.failed, "sync "+s.dir)] {
							t.Error("it counts as done and isn't durable")
						}
					}
					if err := step.do(t, s, f); err != nil {
						t.Errorf("retry: %v", err)
					}
					step.done(t, s, f)
					checkStore(t, s)
					s.Close()
					if t.Failed() {
						t.Fatalf("operation %d, %s, failed: %v", at, faults.failed, err)
					}
				}
			})
		}
	}
}

// OpenStore itself: whatever fails while it opens, the next one opens, on an empty directory as on a store with leftovers.
func TestFaultSweepOpen(t *testing.T) {
	fixture, parent := newFixture(t), t.TempDir()
	for _, mode := range []faultMode{failBefore, failAfter, failRest} {
		for at := 1; ; at++ {
			f := fixture.copy(t, filepath.Join(parent, fmt.Sprint(mode, at)))
			f.store.Close()
			os.WriteFile(filepath.Join(f.store.objects(), ".image.sohost-tmp-1"), nil, 0o644)
			faults := &faults{mode: mode, at: at}
			for _, dir := range []string{f.store.dir, filepath.Join(parent, fmt.Sprint("new", mode, at))} {
				failed := faults.failed
				s, err := openStore(dir, quiet, faults.wrap(fastDisk()))
				if err == nil {
					s.Close()
					// Only a leftover may stay.
					if faults.failed != failed && !faults.hidden && !strings.HasPrefix(faults.failed, "removeAll ") {
						t.Errorf("operation %d, %s, failed and OpenStore did not notice", at, faults.failed)
					}
				}
				faults.checkClosed(t)
				s, err = openStore(dir, quiet, fastDisk())
				if err != nil {
					t.Fatalf("operation %d, %s, failed: %v", at, faults.failed, err)
				}
				checkStore(t, s)
				s.Close()
			}
			if faults.failed == "" {
				break
			}
		}
	}
}

// fixture is a store with something to lose: three releases, the first of them confirmed, an image that no release names, an
// image in quarantine, and a history about to be rotated.
type fixture struct {
	store               *Store
	current             Release
	spare, quarantined  ID
	source, sourceKnown string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	opts := quiet
	opts.MaxHistory = 400
	s, err := openStore(t.TempDir(), opts, fastDisk())
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{store: s, source: source(t, "new"), sourceKnown: source(t, "1")}
	for i := range 3 {
		f.current = publish(t, s, map[string]ID{"a": add(t, s, numbered("", i)).ID})
	}
	add(t, s, "1")
	if err := s.Confirm(1); err != nil {
		t.Fatal(err)
	}
	f.spare = add(t, s, "spare").ID
	f.quarantined = idOf("quarantined")
	if err := s.Quarantine(Quarantine{Image: f.quarantined, Reason: "fixture"}); err != nil {
		t.Fatal(err)
	}
	if err := s.AppendEvent(Event{Kind: KindBoot, Detail: string(make([]byte, 20))}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return f
}

// copy returns the fixture with a store of its own, in a fraction of the time that building one takes. Files that are only
// ever replaced are shared.
func (f *fixture) copy(t *testing.T, dir string) *fixture {
	t.Helper()
	err := filepath.WalkDir(f.store.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, strings.TrimPrefix(path, f.store.dir))
		switch {
		case d.IsDir():
			return os.Mkdir(to, 0o755)
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			return errors.Join(err, os.Symlink(target, to))
		case d.Name() == lockFile:
			return nil
		case d.Name() == historyFile:
			data, err := os.ReadFile(path)
			return errors.Join(err, os.WriteFile(to, data, 0o644))
		}
		return os.Link(path, to)
	})
	if err != nil {
		t.Fatal(err)
	}
	c := *f
	c.current.Dir = filepath.Join(dir, strings.TrimPrefix(f.current.Dir, f.store.dir))
	if c.store, err = openStore(dir, f.store.opts, fastDisk()); err != nil {
		t.Fatal(err)
	}
	return &c
}

func (f *fixture) reopen(t *testing.T) *Store {
	t.Helper()
	f.store.Close()
	s, err := openStore(f.store.dir, f.store.opts, fastDisk())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// checkCurrent fails the test unless current is the release before or the one that was being published, whole.
func (f *fixture) checkCurrent(t *testing.T, s *Store) {
	t.Helper()
	r, err := s.Current()
	if err != nil {
		t.Error(err)
		return
	}
	if r.Number == f.current.Number {
		if diff := cmp.Diff(f.current, r); diff != "" {
			t.Errorf("current has changed:\n%s", diff)
		}
	} else if r.Previous != f.current.Number || r.Plugins["a"].Image != f.spare {
		t.Errorf("current is %+v", r)
	}
}

// What is read is read correctly or not at all.
func TestFaultSweepReading(t *testing.T) {
	f := newFixture(t)
	for n := range 5 { // until there is an older half
		if err := f.store.AppendEvent(Event{Plugin: numbered("p", n)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(f.store.dir, olderHistory)); err != nil {
		t.Fatal(err)
	}
	reads := map[string]func(s *Store) (any, error){
		"Object":           func(s *Store) (any, error) { return s.Object(f.spare) },
		"Verify":           func(s *Store) (any, error) { return nil, s.Verify(t.Context(), f.spare) },
		"Current":          func(s *Store) (any, error) { return s.Current() },
		"Confirmed":        func(s *Store) (any, error) { return s.Confirmed() },
		"Confirmed number": func(s *Store) (any, error) { return s.ConfirmedNumber() },
		"Release":          func(s *Store) (any, error) { return s.Release(2) },
		"Releases":         func(s *Store) (any, error) { return s.Releases() },
		"History":          func(s *Store) (any, error) { return s.History(0) },
		"Quarantines": func(s *Store) (any, error) {
			list, err := s.Quarantines()
			for i := range list { // a record that can't be read says so in its reason
				if strings.Contains(list[i].Reason, errInjected.Error()) {
					err = errors.Join(err, errInjected)
				}
			}
			return list, err
		},
	}
	for name, read := range reads {
		t.Run(name, func(t *testing.T) {
			f.store.disk = fastDisk()
			want, err := read(f.store)
			if err != nil {
				t.Fatal(err)
			}
			for _, mode := range []faultMode{failBefore, failAfter, failRest} {
				for at := 1; ; at++ {
					faults := &faults{mode: mode, at: at}
					f.store.disk = faults.wrap(fastDisk())
					got, err := read(f.store)
					faults.checkClosed(t)
					if err == nil && cmp.Diff(want, got) != "" {
						t.Errorf("operation %d, %s, failed, and without an error there is\n%s", at, faults.failed, cmp.Diff(want, got))
					}
					if err == nil && name == "Verify" && faults.failed != "" && !faults.hidden {
						t.Errorf("operation %d, %s, failed and Verify did not notice", at, faults.failed)
					}
					if faults.failed == "" {
						if err != nil || at == 1 {
							t.Errorf("%d operations, %v", at-1, err)
						}
						break
					}
				}
			}
		})
	}
}

// Whatever fails, Prune never removes more than it does otherwise, and reports everything but a release that it can't read,
// which counts as broken, and leftovers.
func TestFaultSweepPrune(t *testing.T) {
	fixture, dir := newFixture(t), t.TempDir()
	whole, err := fixture.store.Prune(PruneOptions{Keep: 1, DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	silent := regexp.MustCompile(`^(removeAll|readFile|readlink|lstat) `)
	for _, mode := range []faultMode{failBefore, failAfter, failRest} {
		for at := 1; ; at++ {
			f := fixture.copy(t, filepath.Join(dir, fmt.Sprint(mode, at)))
			faults := &faults{mode: mode, at: at}
			f.store.disk = faults.wrap(fastDisk())
			report, err := f.store.Prune(PruneOptions{Keep: 1})
			faults.checkClosed(t)
			f.store.Close()
			if err == nil && faults.failed != "" && !silent.MatchString(faults.failed) {
				t.Errorf("operation %d, %s, failed and Prune did not notice", at, faults.failed)
			}
			for _, n := range report.Releases {
				if !slices.Contains(whole.Releases, n) {
					t.Errorf("operation %d, %s, failed, and release %d would be removed", at, faults.failed, n)
				}
			}
			for _, o := range report.Objects {
				o.Path = filepath.Join(fixture.store.dir, strings.TrimPrefix(o.Path, f.store.dir))
				if !slices.Contains(whole.Objects, o) {
					t.Errorf("operation %d, %s, failed, and image %s would be removed", at, faults.failed, o.ID.Short())
				}
			}
			if faults.failed == "" {
				break
			}
		}
	}
}
