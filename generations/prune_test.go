package generations

import (
	"os"
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
