package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/control"
)

// serve runs a server until ctx ends or a signal tells it to stop.
func serve(ctx context.Context, r *runFlags, log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	// What can be refused is refused before the store is touched.
	public, err := net.Listen("tcp", r.Listen)
	if err != nil {
		return fmt.Errorf("listen for HTTP: %w; name another address with --listen", err)
	}
	defer public.Close()
	private, err := control.Listen(r.Control)
	if errors.Is(err, control.ErrInUse) {
		return fmt.Errorf("%w; `sohost status --control %s` shows what it serves. A second server needs a --control and a --store of its own", err, r.Control)
	}
	if err != nil {
		return err
	}
	defer private.Close()

	host, err := sohost.New(ctx, r.options(log))
	if errors.Is(err, generations.ErrLocked) {
		return fmt.Errorf("%w; stop that process, or name another directory with --store", err)
	}
	if err != nil {
		return err
	}
	httpServer := &http.Server{Handler: host, ReadHeaderTimeout: 30 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	controlServer := control.NewServer(host)
	failed := make(chan error, 2)
	go func() { failed <- httpServer.Serve(public) }()
	go func() { failed <- controlServer.Serve(private) }()
	greet(log, "http://"+public.Addr().String(), r, host)

	select {
	case <-ctx.Done():
		log.Info("stopping: finishing the requests that run", "limit", r.ShutdownTimeout)
	case err = <-failed:
	}
	stop() // a second signal has its usual effect
	ending, cancel := context.WithTimeout(context.Background(), r.ShutdownTimeout)
	defer cancel()
	err = errors.Join(err, httpServer.Shutdown(ending), controlServer.Shutdown(ending), host.Close(ending))
	if err == nil {
		log.Info("stopped")
	}
	return err
}

// greet says what is served and where, and if that is nothing, what would be.
func greet(log *slog.Logger, url string, r *runFlags, host *sohost.Host) {
	log.Info("serving", "url", url, "release", host.Release(), "store", r.Store, "control", r.Control)
	plugins := host.Status().Plugins
	for _, p := range plugins {
		var urls []string
		for _, route := range p.Routes {
			urls = append(urls, url+route)
		}
		log.Info("plugin", "name", p.Name, "generation", p.Generation.Short(), "mode", string(p.Mode), "urls", strings.Join(urls, " "))
	}
	if len(plugins) == 0 {
		try := "sohost new greeter && sohost build ./greeter"
		if relative(r.Plugins) != defaultPlugins {
			try = fmt.Sprintf("sohost new greeter && sohost build -o %s/ ./greeter", relative(r.Plugins))
		}
		log.Info("no plugins yet: waiting for *.so files, which are served as soon as they appear", "directory", r.Plugins, "try", try)
	}
}
