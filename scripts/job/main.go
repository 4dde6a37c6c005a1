// Job shows a server at work: it writes points as Telegraf would to a server of its own, whose plugin downsample makes sums of them,
// while the plugin is changed, reloaded and handed over all the time. In the end it compares the sums that were stored with what was
// sent. It exits with 0 if they are the same.
//
//	go run ./scripts/job                          from the repository, once `make build plugins` is done
//	go run ./scripts/job -telegraf PROGRAM        through a real Telegraf, by each of its outputs for InfluxDB
//	go run ./scripts/job -clients PROGRAM         by the program in integration/testdata/clients
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/sohost/sohost/internal/program"
)

// job is what the command line says.
type job struct {
	sohost, telegraf, clients, dir string
	lasts                          time.Duration
	reloads, handovers, kills      int
}

func main() {
	var j job
	flag.StringVar(&j.sohost, "sohost", "build/sohost", "the `program`")
	flag.StringVar(&j.telegraf, "telegraf", "", "send through this Telegraf `program`; without it, send as it would")
	flag.StringVar(&j.clients, "clients", "", "have this `program` write instead")
	flag.DurationVar(&j.lasts, "lasts", 15*time.Second, "how long to send")
	flag.IntVar(&j.reloads, "reloads", 3, "`number` of new builds of the plugin that are loaded meanwhile")
	flag.IntVar(&j.handovers, "handovers", 1, "`number` of handovers to a new worker process meanwhile")
	flag.IntVar(&j.kills, "kills", 0, "how many times the worker process is killed meanwhile")
	flag.Parse()
	if err := j.run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "job:", err)
		os.Exit(1)
	}
}

func (j *job) run(ctx context.Context) (err error) {
	if j.sohost, err = filepath.Abs(j.sohost); err != nil {
		return err
	}
	if j.dir, err = os.MkdirTemp("", "sohost-job-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(j.dir)) }()
	if err := j.build(ctx, 0); err != nil {
		return err
	}
	s, err := program.Server(j.sohost, j.dir, configuration)
	if err != nil {
		return err
	}
	defer s.Stop()
	to := target{table: "cpu", url: s.URL + "/write?db=telegraf"}
	if j.telegraf != "" {
		t, err := program.Telegraf(j.telegraf, j.dir, fmt.Sprintf(telegrafConfiguration, s.URL))
		if err != nil {
			return err
		}
		defer t.Stop()
		to = target{table: "cpu", url: t.URL + "/points", as: []string{"v1_cpu", "v2_cpu", "v3_cpu"}}
	}
	start := func(ctx context.Context) *sender { return startSender(ctx, to) }
	if j.clients != "" {
		start = func(context.Context) *sender { return j.startClients(ctx, s.URL) } // they end by themselves
	}
	sent, err := j.send(ctx, start)
	if err != nil {
		return err
	}
	return j.compare(sent)
}

// send sends points for as long as the job lasts, and reloads and hands over meanwhile.
func (j *job) send(ctx context.Context, start func(context.Context) *sender) (*sender, error) {
	sending, stop := context.WithTimeout(ctx, j.lasts)
	defer stop()
	sent := start(sending)
	begun := time.Now()
	var err error
	for i := 1; i <= j.reloads && err == nil; i++ {
		wait(sending, begun.Add(j.lasts*time.Duration(i)/time.Duration(j.reloads+1)))
		if err = j.build(ctx, i); err == nil {
			err = j.command(ctx, "deploy", "downsample="+j.image(i))
		}
		if err == nil && j.due(j.handovers, i) {
			err = j.command(ctx, "handover")
		}
		if err == nil && j.due(j.kills, i) {
			err = j.kill(ctx)
		}
	}
	if err != nil {
		stop()
	}
	return sent, errors.Join(err, sent.wait())
}

// due reports whether one of n events, which are spread over the reloads, follows the i-th reload.
func (j *job) due(n, i int) bool { return i*n/j.reloads > (i-1)*n/j.reloads }

// wait waits until a moment, or the end of ctx.
func wait(ctx context.Context, until time.Time) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Until(until)):
	}
}

func (j *job) image(i int) string { return filepath.Join(j.dir, fmt.Sprintf("downsample-%d.so", i)) }

// build builds the plugin with another version, so that each image is a new one.
func (j *job) build(ctx context.Context, i int) error {
	return j.command(ctx, "build", "--ldflags", fmt.Sprintf("-X main.version=%d", i), "-o", j.image(i), "./plugins/downsample")
}

// command runs sohost, and prints what it prints.
func (j *job) command(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, j.sohost, args...)
	cmd.Env = append(os.Environ(), "SOHOST_CONTROL="+filepath.Join(j.dir, "control.sock"))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("sohost %s: %w", args[0], err)
	}
	return nil
}
