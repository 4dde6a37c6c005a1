package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/server/worker"
	"golang.org/x/sys/unix"
)

// first starts the first worker. If that says that it can't serve, most often because of the configuration or the store, first
// fails. If it crashes, further ones are started.
func (s *Supervisor) first(ctx context.Context) (*process, error) {
	for _, folder := range []*generations.Folder{s.crashFiles(), s.folder(KeepFolder)} { // nobody writes there yet
		if err := generations.Sweep(folder.Path(""), s.log); err != nil {
			s.log.Warn("look for leftovers of a server that has died", "err", err)
		}
	}
	p, err := s.begin()
	if err != nil {
		return nil, err
	}
	switch err := s.awaitServing(ctx, p); err {
	case nil:
		return p, nil
	case errEnded:
	default:
		return nil, err
	}
	if failed := p.failed.Load(); failed != nil {
		p.close()
		return nil, errors.New(*failed)
	}
	s.crashed(p)
	return s.restart(ctx)
}

// spawn starts a worker of the program that workers run, or, if that can't be started, of this one.
func (s *Supervisor) spawn() (*process, error) {
	program := s.runs()
	p, err := spawn(program, &s.children, s.events)
	if err == nil || program == nil {
		return p, err
	}
	s.log.Error("can't start the worker's program; starting the supervisor's own", "program", program.path, "err", err)
	return spawn(nil, &s.children, s.events)
}

// begin starts a worker that boots from the store.
func (s *Supervisor) begin() (*process, error) {
	if err := s.findStore(); err != nil {
		return nil, err
	}
	p, err := s.spawn()
	if err != nil {
		return nil, err
	}
	start := *s.start.Load()
	start.Crashes = s.pending
	start.CrashesInARow = s.row
	if err := s.order(p, &start, s.listening()); err != nil {
		p.close()
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	return p, nil
}

// order tells a worker what to serve, on the sockets of its listeners. After an error the worker is gone.
func (s *Supervisor) order(p *process, start *worker.Start, sockets []socket, more ...*os.File) error {
	p.lock, p.lasts = s.opts.Lock, max(start.Linger, start.ShutdownTimeout)
	files := append([]*os.File{sockets[0].file, p.lock.File(), p.output}, more...)
	if p.calls != nil { // as has each process that is started here
		files = append(files, p.calls)
	}
	for _, other := range sockets[1:] {
		files = append(files, other.file)
	}
	s.mu.Lock()
	start.Listeners = s.pairs.newest(start.Listeners)
	s.mu.Unlock()
	p.listeners = start.Listeners
	err := p.link.Send(worker.Order{Start: start}, files...)
	if err == nil {
		return nil
	}
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) { // it has closed its end, and knows why
		select {
		case <-p.exited:
			return fmt.Errorf("it ended before it knew what to serve (why: %s)", p.why())
		case <-time.After(s.limits.grace):
		}
	}
	s.kill(p)
	return err
}

// backoff returns how long to wait before a worker is started after n crashes in a row: not at all after the first.
func (l limits) backoff(n int) time.Duration {
	if n < 2 {
		return 0
	}
	pause := l.firstPause
	for ; n > 2 && pause < l.maxPause; n-- {
		pause *= 2
	}
	return min(pause, l.maxPause)
}

// await waits for a pause, or until ctx ends, which is the error then.
func (s *Supervisor) await(ctx context.Context, pause time.Duration) error {
	over := time.NewTimer(pause)
	defer over.Stop()
	beat := time.NewTicker(s.limits.beat)
	defer beat.Stop()
	for ctx.Err() == nil {
		select {
		case <-over.C:
			return context.Cause(ctx)
		case <-beat.C:
			s.showLife()
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}

// restart starts workers until one serves. It fails only when ctx ends.
func (s *Supervisor) restart(ctx context.Context) (*process, error) {
	for {
		if err := s.await(ctx, s.limits.backoff(s.row)); err != nil {
			return nil, err
		}
		p, err := s.begin()
		if err != nil {
			s.mu.Lock()
			s.row++
			s.mu.Unlock()
			s.log.Error("can't start a worker", "err", err)
			continue
		}
		switch err := s.awaitServing(ctx, p); err {
		case nil:
			s.pending = nil
			return p, nil
		case errEnded:
			s.crashed(p)
		default:
			return nil, err
		}
	}
}

// errEnded is returned when a worker has ended before it served.
var errEnded = errors.New("the worker has ended")

func (s *Supervisor) setStarting(p *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starting = p
}

// awaitServing waits until p serves. The error is errEnded if p ends instead, or hangs and is ended; then p is gone. When ctx ends
// p is told to finish, and the error is ctx's.
func (s *Supervisor) awaitServing(ctx context.Context, p *process) error {
	s.setStarting(p)
	defer s.setStarting(nil)
	beat := time.NewTicker(s.limits.beat)
	defer beat.Stop()
	for n := uint64(1); ; n++ {
		select {
		case <-p.served:
			return nil
		case <-p.exited:
			return errEnded
		case <-beat.C:
			s.beat(p, n)
		case <-ctx.Done():
			s.finish(p)
			return context.Cause(ctx)
		}
	}
}
