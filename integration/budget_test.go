package integration

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/sohost/sohost/internal/server/control"
)

// TestBudgets spends each budget: the server hands over to a new worker without being asked, says why, and the leftovers are
// gone.
func TestBudgets(t *testing.T) {
	t.Parallel()
	source := newSourceOf(t, "pad", filepath.Join("testdata", "pad"))
	source.edit("pad.go", "return pad{host}, nil", "for range 10 { go func() { select {} }() }; return pad{host}, nil")
	first := source.build()
	clones := newCloner(t, first, "example.com/pad")
	type budget struct {
		flag    string
		deploys int // until the budget is spent
		why     string
	}
	generations := budget{"--old-generations=2", 3, "3 old generations, the budget is 2"}
	if *full {
		generations = budget{"--old-generations=8", 3, "12 old generations, a full image counted as four, the budget is 8"}
	}
	for _, test := range []budget{
		generations,
		{"--old-goroutines=15", 2, "20 goroutines of old generations, the budget is 15"},
		{"--old-memory=1", 1, "bytes of old generations' memory, the budget is 1"},
	} {
		t.Run(strings.Trim(test.flag, "-"), func(t *testing.T) {
			args := []string{"--plugin", "pad=" + first}
			for _, flag := range []string{"--old-generations", "--old-goroutines", "--old-memory"} {
				if !strings.HasPrefix(test.flag, flag) {
					args = append(args, flag+"=-1")
				}
			}
			d := newPlace(t).start(t, append(args, test.flag)...)
			load := startLoad(2, *steady, get(d.url+"/pad?key=a"))
			before := d.status()
			mark := d.mark()
			for range test.deploys {
				_, err := d.client.Deploy(patient(t), control.DeployRequest{Images: map[string]string{"pad": clones.clone(t)}})
				if err != nil {
					t.Fatal(err)
				}
			}
			why := d.await(mark, func(l line) bool { return l.text("msg") == "handover" }).text("why")
			if !strings.Contains(why, test.why) {
				t.Errorf("the handover was made because of %q, want %q", why, test.why)
			}
			after := d.status()
			if after.Worker.PID == before.Worker.PID || after.Generations != 1 || after.Left.Generations+after.Left.Goroutines != 0 {
				t.Errorf("after the handover worker %d has %d images open, and %+v left; before it was %d",
					after.Worker.PID, after.Generations, after.Left, before.Worker.PID)
			}
			load.end(t)
		})
	}
}
