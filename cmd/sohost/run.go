package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/control"
	"github.com/spf13/cobra"
)

// settings are those of one server, from the configuration file and the flags, which win.
type settings struct {
	config
	file      string
	pluginArg []string
	logFormat string
	verbose   bool
}

func newRunCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Serve plugins and reload them as they change",
		Long: `Run serves the routes of plugins over HTTP and reloads plugins while it serves: those in dev mode as soon as their
image changes, those in prod mode on "sohost deploy".

With neither a configuration nor --plugin, it serves each *.so of the plugins directory (build/plugins) in dev mode under
/NAME, and keeps its store below $XDG_STATE_HOME or ~/.local/state. A configuration is read from sohost.toml in the
working directory or the file named by --config; flags override it.

SIGINT or SIGTERM ends it: no new requests are taken, the running ones finish. A second one ends it at once.`,
		Example: `  sohost run
  sohost run --listen 127.0.0.1:9000 --plugins out/plugins
  sohost run --config /etc/sohost.toml
  sohost run --plugin counter=build/plugins/counter.so,mode=prod,route=/counter,arg.step=2`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.load(cmd); err != nil {
				return err
			}
			log, err := newLogger(cmd.ErrOrStderr(), s.logFormat, s.verbose)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), &s, log)
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.file, "config", "", "configuration file (default sohost.toml, if there is one)")
	f.String("listen", "127.0.0.1:8181", "address for HTTP")
	f.String("store", "", "directory for images and releases")
	f.String("control", "", "path of the control socket (default control.sock beside the store's default)")
	f.String("plugins", defaultPlugins, "serve each *.so of this directory in dev mode")
	f.StringArrayVar(&s.pluginArg, "plugin", nil, "serve `NAME=FILE[,mode=prod][,route=/PATH][,arg.KEY=VALUE]`; may be repeated")
	f.Int("keep", 0, "releases to keep in the store; negative: all (default 100)")
	f.Bool("poll", false, "watch files by polling alone")
	f.Duration("settle", 0, "how long an image must be quiet before it is read (default 50ms)")
	f.Duration("open-timeout", 0, "limit for opening an image and for New and Start of a plugin (default 10s)")
	f.Duration("drain-timeout", 0, "limit for draining a stateful plugin and moving its state (default 10s)")
	f.Duration("shutdown-timeout", 0, "limit for finishing requests at the end (default 30s)")
	f.StringVar(&s.logFormat, "log-format", "text", "text or json")
	f.BoolVarP(&s.verbose, "verbose", "v", false, "log what is done nothing about, too")
	return cmd
}

// load reads the configuration and lays the flags that were given over it.
func (s *settings) load(cmd *cobra.Command) error {
	c, err := loadConfig(s.file)
	if err != nil {
		return err
	}
	if c != nil {
		s.config = *c
	}
	f := cmd.Flags()
	for name, to := range map[string]*string{"listen": &s.Listen, "store": &s.Store, "control": &s.Control, "plugins": &s.Plugins} {
		if f.Changed(name) || *to == "" && name == "listen" {
			*to, _ = f.GetString(name)
		}
	}
	for name, to := range map[string]*duration{"settle": &s.Settle, "open-timeout": &s.OpenTimeout, "drain-timeout": &s.DrainTimeout, "shutdown-timeout": &s.ShutdownTimeout} {
		if f.Changed(name) {
			d, _ := f.GetDuration(name)
			*to = duration(d)
		}
	}
	if f.Changed("keep") {
		s.Keep, _ = f.GetInt("keep")
	}
	if f.Changed("poll") {
		s.Poll, _ = f.GetBool("poll")
	}
	for _, arg := range s.pluginArg {
		name, p, err := parsePlugin(arg)
		if err != nil {
			return usageError{fmt.Errorf("--plugin %s: %w", arg, err)}
		}
		if s.Plugin == nil {
			s.Plugin = map[string]pluginConfig{}
		}
		s.Plugin[name] = p
	}
	return s.fillIn()
}

// fillIn sets what neither the configuration nor a flag has set.
func (s *settings) fillIn() error {
	if s.Plugins == "" && len(s.Plugin) == 0 {
		s.Plugins = defaultPlugins
	}
	if s.ShutdownTimeout == 0 {
		s.ShutdownTimeout = duration(30 * time.Second)
	}
	if s.Store != "" && s.Control != "" {
		return nil
	}
	plugins := s.Plugins
	if plugins == "" {
		plugins = defaultPlugins
	}
	dir, err := stateDir(plugins)
	if err != nil {
		return err
	}
	if s.Store == "" {
		s.Store = filepath.Join(dir, "store")
	}
	if s.Control == "" {
		s.Control, err = controlPath("", plugins)
	}
	return err
}

// parsePlugin reads NAME=FILE[,mode=…][,route=…][,arg.KEY=VALUE].
func parsePlugin(arg string) (name string, p pluginConfig, err error) {
	parts := strings.Split(arg, ",")
	name, p.Image, _ = strings.Cut(parts[0], "=")
	if name == "" || p.Image == "" {
		return "", p, errors.New("want NAME=FILE first")
	}
	for _, part := range parts[1:] {
		key, value, _ := strings.Cut(part, "=")
		switch {
		case key == "mode":
			err = p.Mode.UnmarshalText([]byte(value))
		case key == "route":
			var r route
			err = r.UnmarshalText([]byte(value))
			p.Routes = append(p.Routes, r)
		case strings.HasPrefix(key, "arg."):
			if p.Args == nil {
				p.Args = map[string]string{}
			}
			p.Args[strings.TrimPrefix(key, "arg.")] = value
		default:
			err = fmt.Errorf("unknown setting %q: want mode, route or arg.KEY", key)
		}
		if err != nil {
			return "", p, err
		}
	}
	return name, p, nil
}

func (s *settings) options(log *slog.Logger) sohost.Options {
	o := sohost.Options{
		Store:        s.Store,
		Dir:          s.Plugins,
		Logger:       log,
		Keep:         s.Keep,
		Poll:         s.Poll,
		Settle:       time.Duration(s.Settle),
		OpenTimeout:  time.Duration(s.OpenTimeout),
		DrainTimeout: time.Duration(s.DrainTimeout),
	}
	for _, name := range s.names() {
		p := s.Plugin[name]
		plugin := sohost.Plugin{Name: name, Image: p.Image, Mode: sohost.Mode(p.Mode), Args: p.Args}
		for _, r := range p.Routes {
			plugin.Routes = append(plugin.Routes, string(r))
		}
		o.Plugins = append(o.Plugins, plugin)
	}
	return o
}

// serve runs a server until ctx ends or a signal tells it to stop.
func serve(ctx context.Context, s *settings, log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	// What can be refused is refused before the store is touched.
	public, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return fmt.Errorf("listen for HTTP: %w; name another address with --listen", err)
	}
	defer public.Close()
	private, err := control.Listen(s.Control)
	if err != nil {
		return err
	}
	defer private.Close()

	host, err := sohost.New(ctx, s.options(log))
	if err != nil {
		return err
	}
	httpServer := &http.Server{Handler: host, ReadHeaderTimeout: 30 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
	controlServer := control.NewServer(host)
	failed := make(chan error, 2)
	go func() { failed <- httpServer.Serve(public) }()
	go func() { failed <- controlServer.Serve(private) }()
	log.Info("serving", "url", "http://"+public.Addr().String(), "release", host.Release(), "store", s.Store, "control", s.Control)
	for _, p := range host.Status().Plugins {
		log.Info("plugin", "name", p.Name, "generation", p.Generation.Short(), "mode", p.Mode, "routes", p.Routes)
	}

	select {
	case <-ctx.Done():
		log.Info("stopping: finishing the requests that run", "limit", time.Duration(s.ShutdownTimeout))
	case err = <-failed:
	}
	stop() // a second signal has its usual effect
	ending, cancel := context.WithTimeout(context.Background(), time.Duration(s.ShutdownTimeout))
	defer cancel()
	err = errors.Join(err, httpServer.Shutdown(ending), controlServer.Shutdown(ending), host.Close(ending))
	if err == nil {
		log.Info("stopped")
	}
	return err
}
