package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/server/control"
)

// TestRollbackWaits rolls back from an image that has removed a field of a large state, and counts meanwhile: the field is back in each
// entry, and no count is lost. It measures how long callers wait for both moves, and what memory they take.
func TestRollbackWaits(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures; TestLostAndRestored shows that it works")
	}
	s, full := newHoard(t, *waitEntries)
	pid := s.status().Worker.PID
	before := resident(pid, "VmRSS")
	first := short(t, s.file)
	s.src.edit("hoard.go", "	Text string\n", "")
	s.src.edit("hoard.go", ", Text: strings.Repeat(strconv.Itoa(i%10), 72)", "")
	s.src.edit("hoard.go", "r.Seq, r.Text)", "r.Seq)")
	next := s.src.build()

	counts := startClients(getting(s.url+"/hoard", func(string) {}), getting(s.url+"/hoard", func(string) {}))
	defer counts.end()
	counts.await(t, 10)
	images := func(file string) control.DeployRequest {
		return control.DeployRequest{Images: map[string]string{"hoard": file}}
	}
	deployed, err := s.client.Deploy(patient(t), images(next))
	if err != nil {
		t.Fatal(err)
	}
	if m := deployed.Moves[0]; m.State.Way != sohost.WayConvert || !slices.ContainsFunc(m.State.Lost, func(f string) bool { return strings.Contains(f, "Text") }) {
		t.Errorf("deployed: %+v", m.State)
	}
	counts.await(t, 10)
	begun := time.Now()
	back, err := s.client.Rollback(patient(t), control.RollbackRequest{})
	took := time.Since(begun)
	if err != nil {
		t.Fatal(err)
	}
	m := back.Moves[0]
	if len(m.State.Restored) == 0 || len(m.State.Unrestored) > 0 || m.To.Short() != first {
		t.Errorf("rolled back: %+v", m)
	}
	counts.await(t, 10)
	counts.end()
	if now, _ := s.get("/hoard/records"); now != full {
		t.Errorf("the records are %s, want %s", now, full)
	}
	if len(counts.failures) > 0 {
		t.Errorf("%d requests failed, such as %v", len(counts.failures), counts.failures[0].err)
	}
	if n, _ := s.get("/hoard"); n != fmt.Sprint(counts.sent()+1) {
		t.Errorf("%s requests are counted, and %d were answered", n, counts.sent()+1)
	}
	most := resident(pid, "VmHWM")
	t.Logf("%d records: there callers waited %v; back %v of the %v in all; one client's longest gap was %v; worker %d MiB before, at most %d MiB",
		*waitEntries, callersWait(deployed.Moves[0].Phases), callersWait(m.Phases), took.Round(time.Millisecond), counts.gap.Round(time.Millisecond),
		before>>20, most>>20)
	// The value, its copy in the newer type, and what was kept and is read: up to three at once, and garbage.
	if allowed := 4*before + 256<<20; most > allowed {
		t.Errorf("the worker took %d MiB, with %d MiB before", most>>20, before>>20)
	}
}
