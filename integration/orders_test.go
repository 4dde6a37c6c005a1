package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/sohost/sohost/internal/executable"
	"github.com/sohost/sohost/internal/server/control"
)

// TestOrdersDuringHandovers gives a server all orders at once. Each is carried out, by whichever process has the plugins by then;
// handovers that are asked for together are one; and no request fails.
func TestOrdersDuringHandovers(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	counter := newSource(t, "counter").build()
	clones := newCloner(t, counter, "example.com/counter")
	hello := newSource(t, "hello").build()
	d := p.start(t, "--plugin", "counter="+counter, "--plugin", "hello="+hello)
	counting := startLoad(3, *steady, get(d.url+"/counter"))
	greeting := startLoad(2, *steady, get(d.url+"/hello"))

	const askers = 4
	rounds := repeated(2)
	for round := range rounds {
		var orders sync.WaitGroup
		order := func(what string, give func() error) {
			orders.Go(func() {
				if err := give(); err != nil {
					t.Errorf("round %d: %s: %v", round, what, err)
				}
			})
		}
		for range askers {
			order("handover", func() error {
				_, err := d.client.Handover(patient(t), control.HandoverRequest{Why: "test"})
				return err
			})
		}
		image := clones.clone(t)
		order("deploy", func() error {
			r, err := d.client.Deploy(patient(t), control.DeployRequest{Images: map[string]string{"counter": image}})
			if err == nil && r.Moves[0].To.Short() != short(t, image) {
				err = fmt.Errorf("it brought %s", r.Moves[0].To.Short())
			}
			return err
		})
		order("deploy of what serves", func() error {
			_, err := d.client.Deploy(patient(t), control.DeployRequest{Images: map[string]string{"hello": ""}})
			return err
		})
		order("prune", func() error {
			_, err := d.client.Prune(patient(t), control.PruneRequest{Keep: 100})
			return err
		})
		order("history", func() error {
			_, err := d.client.History(patient(t), 10)
			return err
		})
		orders.Wait()
		if got := d.plugin("counter").Generation.Short(); got != short(t, image) {
			t.Fatalf("round %d: counter serves %s, want %s", round, got, short(t, image))
		}
	}
	if _, err := d.client.Rollback(patient(t), control.RollbackRequest{Plugins: []string{"counter"}}); err != nil {
		t.Error(err)
	}
	answers := counting.end(t)
	greeting.end(t)
	checkCounted(t, answers)
	if total, _ := d.get("/counter/total"); total != strconv.Itoa(len(answers)) {
		t.Errorf("the counter's total is %s after %d answers", total, len(answers))
	}
	if n := d.count("handover"); n < rounds || n > rounds*askers {
		t.Errorf("%d handovers for %d rounds of %d who asked", n, rounds, askers)
	}
}

// TestUpgrade replaces the program of a server under load, by order and by signal: the pid stays, the program is another, nothing
// is lost. One that can't serve is refused with its reasons.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	install(t, newSource(t, "counter").build(), filepath.Join(p.plugins, "counter.so"))
	first, second := filepath.Join(p.dir, "sohost-1"), filepath.Join(p.dir, "sohost-2")
	installProgram(t, first, second)
	d := startServer(t, p, first, "run", "--listen", "127.0.0.1:0", "--store", p.store, "--control", p.control, "--log-format", "json",
		"--plugins", p.plugins, "--probation", "100ms")
	counting := startLoad(3, *steady, get(d.url+"/counter"))
	before := d.status()

	for _, program := range []string{"/bin/sh", filepath.Join(p.plugins, "counter.so"), filepath.Join(p.dir, "nothing")} {
		_, err := d.client.Handover(patient(t), control.HandoverRequest{Program: program})
		t.Logf("%s: %v", program, err)
		if err == nil || d.status().Worker.PID != before.Worker.PID {
			t.Errorf("%s serves now: %v", program, err)
		}
	}

	mark := d.mark()
	if _, err := d.client.Handover(patient(t), control.HandoverRequest{Why: "test", Program: second}); err != nil {
		t.Fatal(err)
	}
	awaitUpgraded := func(mark int) {
		t.Helper()
		l := d.await(mark, func(l line) bool {
			return l.text("level") == "ERROR" || isMessage("upgraded: this is another program in the same process")(l)
		})
		if l.text("level") == "ERROR" {
			t.Fatalf("not upgraded: %v", l)
		}
	}
	awaitUpgraded(mark)
	after := d.status() // waits for the new program to answer
	if after.PID != before.PID || after.Worker.PID == before.Worker.PID {
		t.Errorf("before: server %d, worker %d; after: %d, %d", before.PID, before.Worker.PID, after.PID, after.Worker.PID)
	}
	for _, pid := range []int{after.PID, after.Worker.PID} {
		if program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err != nil || program != second {
			t.Errorf("process %d runs %s, %v; want %s", pid, program, err, second)
		}
	}
	if h := after.Handover; h == nil || h.Taker != after.Worker.PID {
		t.Errorf("the handover is forgotten: %+v", h)
	}

	mark = d.mark()
	if err := d.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	awaitUpgraded(mark)
	if again := d.status(); again.PID != before.PID || again.Worker.PID == after.Worker.PID {
		t.Errorf("SIGUSR2: server %d, worker %d; before: %d, %d", again.PID, again.Worker.PID, after.PID, after.Worker.PID)
	}
	// The worker's wishes reach the new program.
	if _, err := d.client.Handover(patient(t), control.HandoverRequest{Why: "test"}); err != nil {
		t.Error(err)
	}
	checkCounted(t, counting.end(t))
	d.terminate()
	for _, file := range []string{p.control} {
		if _, err := os.Lstat(file); !os.IsNotExist(err) {
			t.Errorf("%s is left behind: %v", file, err)
		}
	}
}

// TestUpgradeGone takes the new program away between the start of the worker that runs it and the moment in which the supervisor
// is to run it, too. The server has it open, and becomes what was tried.
func TestUpgradeGone(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	source := newSourceOf(t, "pad", filepath.Join("testdata", "pad"))
	source.edit("pad.go", `"net/http"`, "\"net/http\"\n\t\"os\"")
	source.edit("pad.go", "return pad{host}, nil", `os.Remove(host.Args()["remove"]); return pad{host}, nil`)
	gone := filepath.Join(p.dir, "gone")
	d := p.start(t, "--plugin", "pad="+source.build()+",arg.remove="+gone, "--probation", "100ms")
	load := startLoad(2, *steady, get(d.url+"/pad?key=a"))
	installProgram(t, gone)
	mark, before := d.mark(), d.status()
	if _, err := d.client.Handover(patient(t), control.HandoverRequest{Program: gone}); err != nil {
		t.Fatal(err)
	}
	d.await(mark, isMessage("upgraded: this is another program in the same process"))
	after := d.status()
	if after.PID != before.PID || after.Worker.PID == before.Worker.PID {
		t.Errorf("before: server %d, worker %d; after: %d, %d", before.PID, before.Worker.PID, after.PID, after.Worker.PID)
	}
	if _, err := os.Lstat(gone); !os.IsNotExist(err) {
		t.Errorf("the program is still there: %v", err)
	}
	if _, err := d.client.Handover(patient(t), control.HandoverRequest{}); err != nil { // that program can start itself
		t.Error(err)
	}
	load.end(t)
	mark = d.mark()
	process(d.status().Worker.PID).Kill()
	d.await(mark, isMessage("worker serves"))
	d.get("/pad?key=a")
	d.terminate()
}

// installProgram puts copies of the server's program into place.
func installProgram(t testing.TB, files ...string) {
	t.Helper()
	content, err := os.ReadFile(server)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if err := executable.Write(file, content); err != nil {
			t.Fatal(err)
		}
	}
}
