package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/hooks"
	"github.com/sohost/sohost/internal/server/worker"
)

// The test binary is its own workers (see puppet), and for tests of upgrades a server as well.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv(rehearsalEnv) != "" && os.Getenv(refuseEnv) == "late":
		time.Sleep(time.Hour)
	case os.Getenv(rehearsalEnv) != "":
		if _, err := Inherit(readInRehearsal); err != ErrRehearsal || os.Getenv(refuseEnv) == "1" {
			fmt.Fprintln(os.Stderr, "not this one", err)
			os.Exit(1)
		}
	case len(os.Args) > 1 && os.Args[1] == "worker" && os.Getenv(sweepEnv) != "":
		sweepWorker(os.Getenv(sweepEnv))
	case len(os.Args) > 1 && os.Args[1] == "sweep":
		if err := sweepSupervisor(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case len(os.Args) > 1 && os.Args[1] == "worker":
		bePuppet()
	case len(os.Args) > 1 && os.Args[1] == "run":
		if err := runServer(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		os.Exit(m.Run())
	}
}

// refuseEnv makes a program fail its rehearsal; "late" makes it never end.
const refuseEnv = "SUPERVISOR_TEST_REFUSE"

// readInRehearsal is what a program reads that shows what it can. With refuseEnv it finds a fault.
func readInRehearsal(which Reading) (Configured, error) {
	if os.Getenv(refuseEnv) == "configuration" && which.Store != "" {
		return Configured{}, errors.New("line 3: a fault")
	}
	return Configured{}, nil
}

// runServer is a supervisor in dir, in a process of its own, until SIGTERM.
func runServer(dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	l, err := Inherit(nil)
	if err != nil {
		return err
	}
	if l != nil {
		s, err := Resume(l, Options{Log: log})
		if err != nil {
			return err
		}
		return s.Run(ctx)
	}
	public, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	other, err := net.Listen("unix", filepath.Join(dir, "o.sock"))
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "c.sock")
	orders, err := control.Listen(path)
	if err != nil {
		return err
	}
	lock, err := generations.AcquireLock(ctx, dir)
	if err != nil {
		return err
	}
	options := Options{
		Listeners: []Listener{{Name: "http", Listener: public}, {Name: "other", Listener: other, Path: filepath.Join(dir, "o.sock")}},
		Control:   orders, Lock: lock, Log: log, Own: Own{ControlPath: path, HangTimeout: time.Minute, HandoverTimeout: time.Minute},
	}
	options.Start = worker.Start{ShutdownTimeout: time.Minute}
	options.Start.Options.Store, options.Start.Options.Probation = dir, time.Millisecond
	hook := hooks.Hook{Command: []string{"sh", "-c", `cat >>"$0"`, filepath.Join(dir, "told")}}
	for _, kind := range generations.Kinds() {
		hook.On = append(hook.On, string(kind))
	}
	options.Start.Hooks = map[string]hooks.Hook{"all": hook}
	return New(options).Run(ctx)
}
