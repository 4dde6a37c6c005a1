package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/server/control"
)

// watchStore looks whether the store is there and its lock is the one that this server holds. Somebody may remove either by hand.
// Then the worker goes on serving, and publishes nothing. If only the lock is gone, a new one is taken, and watchStore returns a
// request for a handover: a worker that has the new one may publish again.
func (s *Supervisor) watchStore(p *process) (wish *request) {
	dir := s.start.Load().Options.Store
	err := s.opts.Lock.Verify(dir)
	if errors.Is(err, generations.ErrWrongLock) {
		if exists(dir) {
			err = s.renewLock()
		} else {
			err = fmt.Errorf("the store %s is gone: nothing is published, and a worker that has to start makes an empty one and "+
				"boots the plugins' files; put it back, or restart the server", dir)
		}
	}
	if err == nil && p.lock != s.opts.Lock {
		err = errors.New("the worker has the lock that was removed: it publishes nothing until a handover, which has been ordered")
		if now := time.Now(); now.After(s.relockNext) {
			s.relockNext = now.Add(s.limits.relock)
			wish = &request{HandoverRequest: control.HandoverRequest{Why: "the store's lock was renewed"}, done: make(chan answer, 1)}
		}
	}
	s.tellStore(err)
	return wish
}

// exists reports whether the store's directory is there. Another one is not made while a worker serves: that would be empty.
func exists(dir string) bool {
	_, err := os.Stat(dir)
	return !errors.Is(err, fs.ErrNotExist)
}

// folder returns a folder of the store.
func (s *Supervisor) folder(name string) *generations.Folder {
	s.mu.Lock() // only Run's goroutine changes the lock, and reads it without that
	defer s.mu.Unlock()
	return s.opts.Lock.Folder(s.start.Load().Options.Store, name)
}

// lockTimeout bounds how long the supervisor waits for a lock that somebody else holds.
const lockTimeout = 100 * time.Millisecond

// renewLock takes the lock of the store anew. It makes the store if that is gone.
func (s *Supervisor) renewLock() error {
	dir := s.start.Load().Options.Store
	ctx, cancel := context.WithTimeout(context.Background(), lockTimeout)
	defer cancel()
	lock, err := generations.AcquireLock(ctx, dir)
	if err != nil {
		return fmt.Errorf("the store's lock was removed, and can't be taken again: %w; this server publishes nothing", err)
	}
	s.log.Error("the store's lock was removed, and has been taken again; nobody must remove it while a server runs", "store", dir)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opts.Lock = lock // the one before stays open: a worker may have it
	return nil
}

// findStore is what must have happened before a worker boots from the store: that is there, and locked.
func (s *Supervisor) findStore() error {
	err := s.opts.Lock.Verify(s.start.Load().Options.Store)
	if errors.Is(err, generations.ErrWrongLock) {
		err = s.renewLock()
	}
	s.tellStore(err)
	return err
}

// tellStore makes the status say what is wrong with the store, if anything.
func (s *Supervisor) tellStore(err error) {
	fault := ""
	if err != nil {
		fault = err.Error()
	}
	s.mu.Lock()
	news := fault != s.storeFault
	s.storeFault = fault
	s.mu.Unlock()
	switch {
	case news && fault != "":
		s.log.Error("the store can't be used; what serves goes on", "err", fault)
	case news:
		s.log.Info("the store can be used again")
	}
}
