package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/supervisor"
	"github.com/sohost/sohost/internal/server/systemd"
)

// lockTimeout is how long the workers of a crashed server get to finish.
const lockTimeout = 20 * time.Second

// serve runs a server until ctx ends or a signal stops it.
func serve(ctx context.Context, r *runFlags, reread rereading, log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// Errors are reported before the store is touched, with one exception: the port may be taken by the worker of a server
	// that was killed. That worker also holds the lock, so wait for the lock and try again.
	configured, err := r.configured()
	if err != nil {
		return err
	}
	open, err := listen(r)
	if errors.As(err, new(usageError)) {
		return err
	}
	if _, absent := os.Stat(r.Store); err != nil && (absent != nil || errors.Is(err, control.ErrInUse)) {
		return err
	}
	lock, locked := acquireLock(ctx, r.Store, log)
	if locked != nil {
		if err == nil {
			err = open.close()
		}
		if ctx.Err() != nil && errors.Is(locked, context.Cause(ctx)) {
			log.Info("stopped")
			return err
		}
		return errors.Join(err, locked)
	}
	defer lock.Close()
	if text := storeOfAnother(r.Store); text != "" {
		log.Warn("the store belongs to another user, whose server can't read what this one writes there", "why", text)
	}
	if err != nil {
		open, err = listen(r)
	}
	if err != nil {
		return err
	}
	defer open.close()
	configured.Own.ControlPath = open.controlPath
	notifier, err := systemd.NewNotifier()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() {
		log.Info("stopping: finishing running requests", "limit", r.ShutdownTimeout)
		stop() // a second signal kills this process; the workers then end on their own
	})()
	s := supervisor.New(supervisor.Options{
		Start: configured.Start, Settings: configured.Settings, Amended: configured.Amended, Keep: configured.Keep, Reread: reread,
		Listeners: open.listeners, Control: open.control, Own: configured.Own, Lock: lock, Log: log, Notifier: notifier,
		Serving: func(s control.Status) { greet(log, open.url(r), r, s) },
	})
	return supervise(ctx, s, log)
}

// resume continues a server in the program that has replaced another one in this process.
func resume(ctx context.Context, l *supervisor.Legacy, reread rereading, log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	notifier, err := systemd.NewNotifier()
	if err != nil {
		return err
	}
	s, err := supervisor.Resume(l, supervisor.Options{Log: log, Notifier: notifier, Reread: reread})
	if err != nil {
		return err
	}
	return supervise(ctx, s, log)
}

// supervise runs a supervisor until it ends.
func supervise(ctx context.Context, s *supervisor.Supervisor, log *slog.Logger) error {
	if err := s.Run(ctx); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}

// acquireLock takes the store's lock. The workers of a server that was killed may hold it until they have finished.
func acquireLock(ctx context.Context, store string, log *slog.Logger) (*generations.Lock, error) {
	waiting := time.AfterFunc(time.Second, func() {
		log.Info("waiting for the workers of a crashed server to finish", "store", store, "limit", lockTimeout)
	})
	defer waiting.Stop()
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	lock, err := generations.AcquireLock(ctx, store)
	if errors.Is(err, generations.ErrLocked) {
		return nil, fmt.Errorf("%w; stop that process, or name another directory with --store", err)
	}
	return lock, err
}

// greet logs what is served and where, or, if there is no plugin, how to add one.
func greet(log *slog.Logger, url string, r *runFlags, s control.Status) {
	log.Info("serving", "url", url, "release", s.Release, "store", r.Store, "control", r.Control)
	for _, p := range s.Plugins {
		var urls []string
		for _, route := range p.Routes {
			urls = append(urls, url+route)
		}
		log.Info("plugin", "name", p.Name, "generation", p.Generation.Short(), "mode", string(p.Mode), "urls", strings.Join(urls, " "))
	}
	if len(s.Plugins) == 0 && s.Unknown == "" {
		try := "sohost new greeter && sohost build ./greeter"
		if relative(r.Plugins) != defaultPlugins {
			try = fmt.Sprintf("sohost new greeter && sohost build -o %s/ ./greeter", relative(r.Plugins))
		}
		log.Info("no plugins yet: waiting for *.so files, which are served as soon as they appear", "directory", r.Plugins, "try", try)
	}
}
