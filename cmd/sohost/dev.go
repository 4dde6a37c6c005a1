package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/build"
	"github.com/sohost/sohost/internal/control"
	"github.com/sohost/sohost/internal/watch"
	"github.com/spf13/cobra"
)

func newDevCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dev PACKAGE",
		Short: "Rebuild a plugin and reload it whenever its source is saved",
		Long: `Dev watches the source of a plugin, its own packages and what it imports from modules on this disk, builds it on each
save and deploys the image to the running server. A compile error is shown where it is, and the code that serves goes on.
Saves that come during a build lead to one more build. SIGINT ends it.`,
		Example: `  sohost dev ./plugins/counter
  sohost dev --name greeter ../greeter`,
		Args: cobra.ExactArgs(1),
	}
	var o build.Options
	f := cmd.Flags()
	f.StringVarP(&o.Output, "output", "o", "", "image to write (default build/plugins/NAME.so)")
	f.StringVar(&o.Host, "host", "", "executable of the server (default: this one)")
	name := f.String("name", "", "name of the plugin in the server (default: that of the image file)")
	server := connect(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.Package, o.Log = args[0], cmd.ErrOrStderr()
		client, err := server()
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		d := developer{options: o, name: *name, client: client, out: cmd.OutOrStdout(), err: cmd.ErrOrStderr()}
		return d.run(ctx)
	}
	return cmd
}

// developer is one `sohost dev`.
type developer struct {
	options build.Options
	name    string
	client  *control.Client
	out     io.Writer
	err     io.Writer

	watcher *watch.Watcher
	watched map[string]*watch.Target // by directory
	saved   chan time.Time           // of capacity 1: the first save that no build has seen
}

// run builds once and then after each save, until ctx ends.
func (d *developer) run(ctx context.Context) error {
	d.watcher = watch.New(watch.Options{Settle: 20 * time.Millisecond})
	defer d.watcher.Close()
	d.watched = map[string]*watch.Target{}
	d.saved = make(chan time.Time, 1)
	saved := time.Now()
	for {
		// Before the build: what is saved while it runs leads to one more.
		if err := d.watchSources(ctx); err != nil {
			return err
		}
		if err := d.cycle(ctx, saved); ctx.Err() != nil {
			return nil
		} else if err != nil {
			fmt.Fprintln(d.err, err)
		}
		select {
		case saved = <-d.saved:
		case <-ctx.Done():
			return nil
		}
	}
}

// watchSources watches the directories that the plugin is made from now. After an error in the sources, those of before.
func (d *developer) watchSources(ctx context.Context) error {
	dirs, err := build.Sources(ctx, d.options)
	if err != nil {
		if len(d.watched) == 0 {
			return err
		}
		return nil // the build tells of it
	}
	current := map[string]bool{}
	for _, dir := range dirs {
		current[dir] = true
		if d.watched[dir] != nil {
			continue
		}
		t, err := d.watcher.Dir(dir, isSource, func(watch.Event) {
			select {
			case d.saved <- time.Now():
			default:
			}
		})
		if err != nil {
			return err
		}
		d.watched[dir] = t
	}
	for dir, t := range d.watched {
		if !current[dir] {
			t.Remove()
			delete(d.watched, dir)
		}
	}
	return nil
}

// isSource says whether a change of a file of that name can change an image. Editors leave hidden files and backups.
func isSource(name string) bool {
	return !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "#") && !strings.HasSuffix(name, "~") &&
		!strings.HasSuffix(name, ".so") && !strings.HasSuffix(name, "_test.go")
}

// cycle builds the plugin and brings it into the server.
func (d *developer) cycle(ctx context.Context, saved time.Time) error {
	result, err := build.Build(ctx, d.options)
	if err != nil {
		return fmt.Errorf("%w\nnot built; the code that serves goes on", err)
	}
	name := d.name
	if name == "" {
		name = strings.TrimSuffix(filepath.Base(result.Output), ".so")
	}
	r, err := d.client.Deploy(ctx, control.DeployRequest{Images: map[string]string{name: result.Output}})
	var refused *control.Failure
	switch {
	case isNoServer(err):
		fmt.Fprintf(d.out, "%s  %s built in %s\n", clock(), name, short(result.Elapsed))
		return fmt.Errorf("not deployed: %w", err)
	case errors.As(err, &refused):
		return fmt.Errorf("built in %s, but refused: %w", short(result.Elapsed), err)
	case err != nil:
		return err
	}
	move := r.Moves[0]
	fmt.Fprintf(d.out, "%s  %s %s live %s after the save: build %s, reload %s\n", clock(), name, move.To.Short(),
		short(time.Since(saved)), short(result.Elapsed), reloadTime(move))
	return nil
}

func clock() string { return time.Now().Format("15:04:05") }

// reloadTime is how long a reload took, unless the server had noticed the image before it was told.
func reloadTime(m sohost.Move) string {
	if m.Unchanged {
		return "done by the server"
	}
	return short(m.Phases.Total())
}
