package supervisor

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/fault"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/worker"
)

// In this sweep supervisor, giver and taker are real processes: the test binary, with real workers that have no plugins. What they do to
// each other is recorded in a first run, and then each operation fails in every way, one in each run.

// sweepEnv names the directory of a run, in all its processes.
const sweepEnv = "SOHOST_TEST_SWEEP"

// operation is one of a process, and how it fails.
type operation struct {
	Role, Kind, What string
	Number           int // of those with the same name in that process, from 1
	Action           fault.Action
	Stop             bool // instead, the supervisor gets SIGTERM
}

func (o operation) String() string {
	how := [...]string{"works", "fails", "is lost", "has no files", "stalls", "kills"}[o.Action]
	if o.Stop {
		how = "meets a stop"
	}
	return fmt.Sprintf("%s: %s %s %d %s", o.Role, o.Kind, o.What, o.Number, how)
}

// failures returns all ways in which the operation can fail.
func (o operation) failures() (all []operation) {
	actions := []fault.Action{fault.Fail, fault.Die}
	switch o.Kind {
	case "send":
		actions = append(actions, fault.Lose, fault.NoFiles, fault.Stall)
	case "receive":
		actions = append(actions, fault.NoFiles, fault.Stall)
	case "wait":
		actions = []fault.Action{fault.Stall, fault.Die}
	}
	for _, a := range actions {
		f := o
		f.Action = a
		all = append(all, f)
	}
	o.Stop = true
	return append(all, o)
}

// joinSweep makes this process part of a run.
func joinSweep(dir string, roles ...string) {
	role := "later"
	for _, r := range roles {
		if f, err := os.OpenFile(filepath.Join(dir, "is-"+r), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err == nil {
			fmt.Fprint(f, os.Getpid())
			f.Close()
			role = r
			break
		}
	}
	var bad operation
	if b, err := os.ReadFile(filepath.Join(dir, "fault")); err == nil {
		json.Unmarshal(b, &bad)
	}
	record, _ := os.OpenFile(filepath.Join(dir, "record"), os.O_APPEND|os.O_WRONLY, 0)
	var mu sync.Mutex
	count := map[string]int{}
	fault.Set(func(kind, what string) (fault.Action, time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		count[kind+" "+what]++
		o := operation{Role: role, Kind: kind, What: what, Number: count[kind+" "+what]}
		if record != nil && (o.Number == 1 || what != "ping" && what != "pong") { // of those there are as many as the time allows
			line, _ := json.Marshal(o)
			record.Write(append(line, '\n'))
		}
		if o.Role != bad.Role || o.Kind != bad.Kind || o.What != bad.What || o.Number != bad.Number {
			return fault.None, 0
		}
		if bad.Stop {
			pid, _ := os.ReadFile(filepath.Join(dir, "is-supervisor"))
			var n int
			fmt.Sscan(string(pid), &n)
			syscall.Kill(n, syscall.SIGTERM)
		}
		return bad.Action, 50 * time.Millisecond
	})
}

// sweepWorker is a worker of a run.
func sweepWorker(dir string) {
	joinSweep(dir, "giver", "taker")
	err := worker.Run(func(string, bool) (*slog.Logger, error) { return slog.New(slog.NewTextHandler(os.Stderr, nil)), nil })
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

// sweepSupervisor is the supervisor of a run. Its limits are short, and their relations are those of defaultLimits.
func sweepSupervisor(dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	public, err := net.FileListener(os.NewFile(3, "http"))
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "c.sock")
	orders, err := control.Listen(path)
	if err != nil {
		return err
	}
	defer orders.Close() // as `sohost run` does
	store := filepath.Join(dir, "store")
	lock, err := generations.AcquireLock(ctx, store)
	if err != nil {
		return err
	}
	joinSweep(dir, "supervisor")
	options := Options{
		Listeners: []Listener{{Name: "http", Listener: public}}, Control: orders, Lock: lock, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Own:   Own{ControlPath: path, HangTimeout: 400 * time.Millisecond, HandoverTimeout: 300 * time.Millisecond},
		Start: worker.Start{ShutdownTimeout: 200 * time.Millisecond},
	}
	options.Start.Options.Store = store
	s := New(options)
	s.limits.beat, s.limits.grace, s.limits.last, s.limits.backlog = 50*time.Millisecond, 100*time.Millisecond, 10*time.Millisecond, 0
	s.limits.firstPause, s.limits.maxPause = time.Millisecond, 20*time.Millisecond
	return s.Run(ctx)
}

// TestSweep lets every operation of supervisor, giver and taker fail, from the start to the second handover, and stops the server at each.
func TestSweep(t *testing.T) {
	t.Parallel()
	w := newSweep(t, operation{})
	w.live()
	b, err := os.ReadFile(filepath.Join(w.dir, "record"))
	w.stop(false)
	if err != nil || w.t.Failed() {
		t.Fatal(err)
	}
	var all []operation
	roles := map[string]int{}
	for line := range strings.Lines(string(b)) {
		var o operation
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatal(err)
		}
		if o.Role == "later" {
			continue
		}
		roles[o.Role]++
		for _, f := range o.failures() {
			if !slices.Contains(all, f) {
				all = append(all, f)
			}
		}
	}
	if len(roles) != 3 {
		t.Fatalf("only %v take part", roles)
	}
	total := len(all)
	if testing.Short() { // make long does the rest
		const some = 17
		step := max(1, len(all)/some)
		var few []operation
		for i := 0; i < len(all); i += step {
			few = append(few, all[i])
		}
		all = few
	}
	t.Logf("operations: %v; %d of %d failures", roles, len(all), total)
	slots := make(chan struct{}, 6) // most of the time they wait
	for _, o := range all {
		t.Run(o.String(), func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			defer func() { <-slots }()
			w := newSweep(t, o)
			w.live()
			w.stop(o.Role == "supervisor" && o.Action == fault.Die)
		})
	}
}
