// Package trial runs an example plugin in the process of its test, on a script: line protocol, with commands in comments. What the plugin
// emits is compared with a file.
//
//	cpu,host=a usage=1 1767225600000000000    a row of the next write
//	# write                                   the rows above are one write
//	# again                                   the last write comes again
//	# tick 2026-01-01T00:01:00Z               a time is due
//	# reload                                  a new instance takes the state over
//	# full                                    the next rows that are emitted can't be stored
package trial

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/lineprotocol"
)

var update = flag.Bool("update", false, "write what plugins emit into the files that it is compared with")

// Trial is a plugin on trial.
type Trial struct {
	t        testing.TB
	plugin   *abi.Descriptor
	host     *host
	instance abi.Instance
	seq      uint64
	last     abi.Batch
}

// New makes the first instance of a plugin.
func New(t testing.TB, plugin *abi.Descriptor, args map[string]string) *Trial {
	r := &Trial{t: t, plugin: plugin, host: &host{t: t, args: args, cache: cache{}}}
	r.instance = r.make()
	return r
}

func (r *Trial) make() abi.Instance {
	r.t.Helper()
	in, err := r.plugin.New(r.t.Context(), r.host)
	if err != nil {
		r.t.Fatal(err)
	}
	return in
}

// Instance returns the present instance.
func (r *Trial) Instance() abi.Instance { return r.instance }

// Run runs testdata/NAME.lp, and compares what is emitted with testdata/NAME.want.lp.
func (r *Trial) Run(name string) {
	r.t.Helper()
	script, err := os.ReadFile("testdata/" + name + ".lp")
	if err != nil {
		r.t.Fatal(err)
	}
	var rows strings.Builder
	for _, line := range strings.Split(string(script), "\n") {
		command, is := strings.CutPrefix(line, "# ")
		if !is {
			fmt.Fprintln(&rows, line)
		} else if command == "write" {
			r.write(rows.String())
			rows.Reset()
		} else {
			r.do(command)
		}
	}
	if strings.TrimSpace(rows.String()) != "" {
		r.t.Fatalf("rows without a write after them:\n%s", &rows)
	}
	file := "testdata/" + name + ".want.lp"
	if *update {
		if err := os.WriteFile(file, r.host.emitted, 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		r.t.Fatal(err)
	}
	if string(r.host.emitted) != string(want) {
		r.t.Errorf("emitted:\n%s\nwant, as %s has it:\n%s", r.host.emitted, file, want)
	}
}

func (r *Trial) do(command string) {
	r.t.Helper()
	name, argument, _ := strings.Cut(command, " ")
	switch name {
	case "again":
		r.last.Attempt++
		r.batch()
	case "tick":
		r.tick(argument)
	case "reload":
		r.reload()
	case "full":
		r.host.full = true
	default:
		r.t.Fatalf("unknown command %q", command)
	}
}

func (r *Trial) write(text string) {
	r.t.Helper()
	parsed := lineprotocol.Parse([]byte(text), lineprotocol.Options{Now: time.Now(), MaxErrors: 1})
	if parsed.Errors > 0 {
		r.t.Fatal(parsed.Bad)
	}
	r.seq++
	r.last = abi.Batch{Trigger: &abi.Trigger{Name: "write", Spec: "write:*", Args: r.host.args}, Database: "db", Seq: r.seq, Attempt: 1, Tables: parsed.Tables}
	r.batch()
}

// batch delivers the last write. What can't be stored is the script's doing, and the write comes again.
func (r *Trial) batch() {
	r.t.Helper()
	if err := r.instance.(abi.BatchHandler).HandleBatch(r.t.Context(), &r.last); err != nil && !errors.Is(err, errFull) {
		r.t.Error(err)
	}
}

func (r *Trial) tick(text string) {
	r.t.Helper()
	due, err := time.Parse(time.RFC3339, text)
	if err != nil {
		r.t.Fatal(err)
	}
	r.host.now = due
	tick := abi.Tick{Trigger: &abi.Trigger{Name: "tick", Spec: "every:1m", Args: r.host.args}, Due: due, Attempt: 1}
	err = r.instance.(abi.ScheduleHandler).HandleSchedule(r.t.Context(), tick)
	if err != nil && !errors.Is(err, errFull) {
		r.t.Error(err)
	}
}

// reload moves the state to a new instance.
func (r *Trial) reload() {
	r.t.Helper()
	next := r.make()
	state, err := r.instance.(abi.Stateful).Export(context.Background())
	if err == nil {
		err = next.(abi.Stateful).Import(context.Background(), state)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.instance = next
}
