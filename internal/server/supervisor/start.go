package supervisor

import (
	"context"
	"errors"
	"fmt"
	"github.com/sohost/sohost"
	"time"

	"github.com/sohost/sohost/internal/server/worker"
)

// first starts the first worker. That it can't serve is most often the configuration's fault, or the store's: it isn't tried
// again, unless it has died of something else.
func (s *Supervisor) first(ctx context.Context) (*process, error) {
	p, err := s.begin()
	if err != nil {
		return nil, err
	}
	switch err := s.awaitServing(ctx, p); {
	case err == nil:
		return p, nil
	case ctx.Err() != nil:
		return nil, err
	}
	if failed := p.failed.Load(); failed != nil {
		p.close()
		return nil, errors.New(*failed)
	}
	s.crashed(p)
	return s.restart(ctx)
}

// spawn starts a worker of the program that workers run, or if that can't be had of this one.
func (s *Supervisor) spawn() (*process, error) {
	p, err := spawn(s.program)
	if err != nil && s.program != "" {
		s.log.Error("the worker's program can't be started; the supervisor's is", "program", s.program, "err", err)
		return spawn("")
	}
	return p, err
}

// begin starts a worker that boots from the store.
func (s *Supervisor) begin() (*process, error) {
	p, err := s.spawn()
	if err != nil {
		return nil, err
	}
	start := s.opts.Start
	for _, r := range s.pending {
		start.Crashes = append(start.Crashes, sohost.Crash{Ended: r.Ended, Exit: r.Exit, Why: r.Why, Output: r.Output})
	}
	start.CrashesInARow = s.row
	if err := p.link.Send(worker.Order{Start: &start}, s.public, s.opts.Lock.File(), p.output); err != nil {
		p.kill()
		defer p.close()
		return nil, fmt.Errorf("start a worker: %s", p.why())
	}
	return p, nil
}

// backoff is how long the next worker is waited for after n crashes in a row: the first comes at once.
func backoff(n int) time.Duration {
	if n < 2 {
		return 0
	}
	return min(100*time.Millisecond<<min(n-2, 10), 5*time.Second)
}

// restart starts workers until one serves. It fails only when ctx ends.
func (s *Supervisor) restart(ctx context.Context) (*process, error) {
	for {
		select {
		case <-time.After(backoff(s.row)):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		p, err := s.begin()
		if err != nil {
			s.mu.Lock()
			s.row++
			s.mu.Unlock()
			s.log.Error("start a worker", "err", err)
			continue
		}
		switch err := s.awaitServing(ctx, p); {
		case err == nil:
			s.pending = nil
			return p, nil
		case ctx.Err() != nil:
			return nil, err
		}
		s.crashed(p)
	}
}

// errEnded is returned when a worker has ended before it served.
var errEnded = errors.New("the worker has ended")

// awaitServing waits until p serves. If it ends instead, or hangs, the error is errEnded and p is gone; when ctx ends p is made
// to finish.
func (s *Supervisor) awaitServing(ctx context.Context, p *process) error {
	beat := time.NewTicker(time.Second)
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
