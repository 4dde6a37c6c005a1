package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/sohost/sohost/internal/server/control"
)

// legacyForm is the version of Legacy if there is only the listener of the setting listen, and listenersForm otherwise. A program
// refuses one that it doesn't know, in its rehearsal.
const (
	legacyForm    = 1
	listenersForm = 2
)

// resumeEnv holds the number of the open file with the Legacy of the program before.
const resumeEnv = "SOHOST_RESUME"

// upgradeTimeout bounds how long the program waits for its last answers on the control socket before it is replaced.
const upgradeTimeout = 5 * time.Second

// obeySignals asks for a handover to the program that is now at the path that the server was started from, at each SIGUSR2 until ctx
// or Run ends: that is the path which whoever upgrades a package replaces. At a SIGHUP it only reads the configuration again.
func (s *Supervisor) obeySignals(ctx context.Context) {
	s.notifySignals() // never stopped: a late one would end the process
	for {             // both log how it went
		select {
		case <-s.hangup:
			s.Reload(ctx, control.ReloadRequest{Why: "SIGHUP"})
		case <-s.replace:
			s.Handover(ctx, control.HandoverRequest{Why: "SIGUSR2", Program: s.origin})
		case <-ctx.Done():
			return
		case <-s.stopped:
			return
		}
	}
}

func (s *Supervisor) notifySignals() {
	signal.Notify(s.hangup, syscall.SIGHUP)
	signal.Notify(s.replace, syscall.SIGUSR2)
}

// upgrade replaces the program of this process by the confirmed one, and doesn't return if that works. Otherwise all goes on as
// before, workers run the new program, and it isn't tried again; the status says why. When ctx ends it gives up: the new program would
// know nothing of that.
func (s *Supervisor) upgrade(ctx context.Context, p *process) {
	program := s.confirmed
	err := s.rehearse(ctx, program, false)
	if err == nil {
		err = s.replaceProgram(ctx, p)
	}
	s.log.Error("upgrade the supervisor: the program before stays; the worker runs the new one", "program", program.path, "err", err)
	if ctx.Err() != nil || s.wanted.Err() != nil || errors.Is(err, errStopped) {
		return
	}
	program.notSupervisor = err.Error()
	s.tellPrograms(nil)
	if s.reads {
		s.configFailed("another program", Reading{}, fmt.Errorf("%s serves, but can't take the supervisor's place, and then it would have read the "+
			"configuration: %w\n`sohost reload` has the program before read it; a restart with the new one ends that", program.path, err))
	}
}

// replaceProgram is upgrade once the program has shown in a rehearsal that it can take over. It returns only with an error.
func (s *Supervisor) replaceProgram(ctx context.Context, p *process) error {
	answering, cancel := context.WithTimeout(ctx, upgradeTimeout)
	defer cancel()
	s.mu.Lock()
	orders := s.endpoints.orders
	s.mu.Unlock()
	copied, err := copyListener(orders.on)
	if err != nil {
		return err
	}
	defer copied.Close()
	orders.server.Shutdown(answering) // new connections wait in the backlog; what isn't answered in time is cut off
	s.links.Lock()
	defer s.links.Unlock()
	s.mu.Lock() // lock order: links, mu
	links := append([]*process{p}, s.drainingLocked()...)
	s.mu.Unlock()
	var paused []*process
	for _, l := range links {
		if l.pause() {
			paused = append(paused, l)
		}
	}
	at := s.hooks.Close(0) // what a hook is told in this moment, the new program tells it again
	left := s.endSpans(0)
	err = s.exec(ctx, s.confirmed, copied, links, at, left)
	s.hooks.Set(s.start.Load().Hooks, at)
	s.beginSpans(left)
	for _, l := range paused {
		l.resume()
	}
	on, listenErr := net.FileListener(copied)
	if listenErr != nil {
		s.log.Error("listen on the control socket again", "err", listenErr)
		return err
	}
	s.mu.Lock() // lock order: links, mu
	defer s.mu.Unlock()
	s.endpoints.orders = s.newOrders(on, orders.path)
	s.answerLocked(s.endpoints.orders)
	return err
}

// copyListener copies the control socket, which then outlives the server that has it, and so does its file.
func copyListener(l net.Listener) (*os.File, error) {
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	return fileOf(l)
}

// exec runs the program in this process and leaves everything to it. It returns only if that fails.
func (s *Supervisor) exec(ctx context.Context, program *program, orders *os.File, links []*process, told map[string]uint64, left *unsent) error {
	arrived := make(chan os.Signal, 1)
	signal.Notify(arrived, stops...)
	defer signal.Stop(arrived)
	var kept keptOpen
	defer kept.close()
	l := s.legacy()
	l.Hooks, l.HookCounts, l.Spans, l.Reads = told, s.hooks.Counted(), left, s.reads
	l.Control, l.Lock = kept.add(orders, nil), kept.add(s.opts.Lock.File(), nil)
	s.leaveSockets(&l, &kept)
	leaveWorkers(&l, links, &kept)
	will, err := l.write()
	if err != nil {
		return err
	}
	defer will.Close()
	fd := kept.add(will, nil)
	if kept.failed != nil {
		return kept.failed
	}
	if err := s.lastStop(ctx, arrived); err != nil {
		return err
	}
	env := append(os.Environ(), s.opts.Notifier.Environ()...)
	signal.Ignore(syscall.SIGUSR2, syscall.SIGHUP) // otherwise an early one would end the new program
	s.log.Info("upgrade: the new program takes this process's place", "program", program.path)
	err = syscall.Exec(program.executable(), os.Args, append(env, resumeEnv+"="+strconv.Itoa(fd)))
	s.notifySignals()
	s.heedStops()
	return err
}

// lastStop is called in the last moment before this process becomes another program. It returns an error if ctx has ended, or if a
// signal to stop has arrived by then, which whoever else listens may hear of only later. Those that arrive after that would be lost
// with this program: they end the process, as they end the new one until that listens, and the workers finish on their own.
func (s *Supervisor) lastStop(ctx context.Context, arrived <-chan os.Signal) error {
	signal.Reset(stops...) // returns when all that were received are in their channels
	select {
	case <-arrived:
		s.halt()
		return errStopped
	default:
		return errors.Join(context.Cause(s.wanted), context.Cause(ctx)) // the stop delay may run
	}
}

// heedStops ends Run at a signal to stop, which after a lastStop nobody else hears of.
func (s *Supervisor) heedStops() {
	arrived := make(chan os.Signal, 1)
	signal.Notify(arrived, stops...)
	s.tasks.Go(func() {
		select {
		case <-arrived:
			signal.Reset(stops...) // a second one ends this process
			s.halt()
		case <-s.stopped:
		}
	})
}

// stops are the signals that end the context of Run.
var stops = []os.Signal{syscall.SIGTERM, syscall.SIGINT}

var errStopped = errors.New("the server stops")
