package generations

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPrune(t *testing.T) {
	s := newStore(t)
	images := make(map[int]ID)
	for n := 1; n <= 6; n++ {
		images[n] = add(t, s, numbered("x", n)).ID
		publish(t, s, map[string]ID{"x": images[n]})
	}
	if err := s.Confirm(2); err != nil {
		t.Fatal(err)
	}
	held := images[3]
	unnamed := add(t, s, "unnamed").ID
	foreign := s.objects() + "/README.txt"
	os.WriteFile(foreign, nil, 0o644)

	fresh := add(t, s, "fresh").ID // on its way from Add to Publish
	opts := PruneOptions{Keep: 2, InUse: func(id ID) bool { return id == held || id == fresh }, DryRun: true}
	dry, err := s.Prune(opts)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := s.Releases(); err != nil || len(all) != 6 {
		t.Fatalf("a dry run left %d releases, %v", len(all), err)
	}
	opts.DryRun = false
	report, err := s.Prune(opts)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(dry, report); diff != "" {
		t.Errorf("the dry run told otherwise:\n%s", diff)
	}
	if diff := cmp.Diff([]int{1, 3, 4}, report.Releases); diff != "" {
		t.Errorf("releases removed:\n%s", diff)
	}
	var bytes int64
	gone := make(map[ID]bool)
	for _, o := range report.Objects {
		gone[o.ID], bytes = true, bytes+o.Size
	}
	if !gone[images[1]] || !gone[images[4]] || !gone[unnamed] || len(gone) != 3 || bytes != report.Bytes {
		t.Errorf("objects removed: %+v", report)
	}
	for _, id := range []ID{held, fresh, images[2], images[5], images[6]} {
		if _, err := s.Object(id); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Error(err)
	}
	if r := publish(t, s, map[string]ID{"x": fresh}); r.Number != 7 {
		t.Errorf("number %d after 6 releases", r.Number)
	}
	checkStore(t, s)
}

// An image that a kept release names by its manifest or by a link stays, even if the other of the two is broken.
func TestPruneKeepsImagesOfBrokenRelease(t *testing.T) {
	for name, wreck := range map[string]func(dir string) error{
		"no manifest":   func(dir string) error { return os.Remove(filepath.Join(dir, manifestFile)) },
		"torn manifest": func(dir string) error { return os.Truncate(filepath.Join(dir, manifestFile), 10) },
		"no link":       func(dir string) error { return os.Remove(filepath.Join(dir, "x.so")) },
		"a copy, no link": func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "x.so")), os.WriteFile(filepath.Join(dir, "x.so"), nil, 0o644))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			x, y := add(t, s, "x"), add(t, s, "y")
			broken := publish(t, s, map[string]ID{"x": x.ID})
			publish(t, s, map[string]ID{"x": y.ID})
			if err := wreck(broken.Dir); err != nil {
				t.Fatal(err)
			}
			report, err := s.Prune(PruneOptions{Keep: 2})
			if err != nil || len(report.Releases)+len(report.Objects) > 0 {
				t.Errorf("Prune = %+v, %v", report, err)
			}
			// It doesn't count as one of those to keep, so that it is gone as soon as enough whole ones are newer.
			publish(t, s, map[string]ID{"x": y.ID})
			report, err = s.Prune(PruneOptions{Keep: 2})
			if err != nil || !slices.Equal(report.Releases, []int{1}) || len(report.Objects) != 1 || report.Objects[0].ID != x.ID {
				t.Errorf("Prune = %+v, %v; want release 1 and its image gone", report, err)
			}
		})
	}
}

// What is no release, though it is called so, is in nobody's way; what can't be read might name any image.
func TestPruneForeignAndUnreadable(t *testing.T) {
	s := newStore(t)
	publish(t, s, map[string]ID{"x": add(t, s, "x").ID})
	unnamed := add(t, s, "unnamed").ID
	foreign := filepath.Join(s.releases(), "000009")
	if err := os.WriteFile(foreign, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	readFile := s.disk.readFile
	s.disk.readFile = func(string) ([]byte, error) { return nil, &fs.PathError{Op: "read", Err: errInjected} }
	for _, dry := range []bool{true, false} {
		_, err := s.Prune(PruneOptions{DryRun: dry})
		wantIs(t, err, errInjected)
	}
	if _, err := s.Object(unnamed); err != nil {
		t.Error(err)
	}
	s.disk.readFile = readFile
	if report, err := s.Prune(PruneOptions{}); err != nil || len(report.Releases) > 0 || len(report.Objects) != 1 {
		t.Errorf("Prune = %+v, %v; want the unnamed image gone", report, err)
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Error(err)
	}
}

func TestPruneDefault(t *testing.T) {
	s := newStore(t)
	o := add(t, s, "x")
	for range DefaultKeep + 2 {
		publish(t, s, map[string]ID{"x": o.ID})
	}
	report, err := s.Prune(PruneOptions{})
	if err != nil || !slices.Equal(report.Releases, []int{1, 2}) {
		t.Errorf("Prune = %+v, %v; want the first two of %d gone", report, err, DefaultKeep+2)
	}
}

// A release whose name is gone is gone: what can't be removed of it is only logged, and goes with the next OpenStore.
func TestPruneLogsLeftovers(t *testing.T) {
	s, log := loggedStore(t)
	o := add(t, s, "x")
	for range 4 {
		publish(t, s, map[string]ID{"x": o.ID})
	}
	if _, err := s.Prune(PruneOptions{Keep: 3}); err != nil || log.Len() > 0 {
		t.Errorf("Prune: %v, log: %s", err, log)
	}
	s.disk.removeAll = func(name string) error {
		if _, err := os.Lstat(name); err == nil {
			return errInjected
		}
		return nil
	}
	report, err := s.Prune(PruneOptions{Keep: 2})
	if err != nil || !slices.Equal(report.Releases, []int{2}) || !strings.Contains(log.String(), errInjected.Error()) {
		t.Errorf("Prune = %+v, %v, log: %s", report, err, log)
	}
	checkStore(t, reopen(t, s))
}

// TestDrop removes only what nobody needs.
func TestDrop(t *testing.T) {
	s := newStore(t)
	named, before, spare := add(t, s, "named"), add(t, s, "before"), add(t, s, "spare")
	publish(t, s, map[string]ID{"a": before.ID})
	publish(t, s, map[string]ID{"a": named.ID})
	none := ID{1}
	for _, step := range []struct {
		id    ID
		inUse bool
		gone  bool
	}{{named.ID, false, false}, {before.ID, false, false}, {spare.ID, true, false}, {spare.ID, false, true}, {spare.ID, false, true}, {none, false, true}} {
		gone, err := s.Drop(step.id, func(id ID) bool { return id == step.id && step.inUse })
		if err != nil || gone != step.gone {
			t.Errorf("Drop(%s) = %v, %v, want %v", step.id.Short(), gone, err, step.gone)
		}
		if _, err := s.Object(step.id); (err != nil) != step.gone {
			t.Errorf("%s after Drop: %v", step.id.Short(), err)
		}
	}
	s.Close()
	if _, err := s.Drop(named.ID, nil); !errors.Is(err, ErrStoreClosed) {
		t.Errorf("Drop of a closed store: %v", err)
	}
	checkStore(t, s)
}
