package main

import (
	"context"
	"strings"
	"time"

	"github.com/sohost/sohost/internal/build"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/watch"
)

// developer is a running `sohost dev`.
type developer struct {
	options build.Options
	name    string // of the plugin in the server; "": from options.Output
	client  *control.Client

	loseState bool // deploy images even if they lose state

	watcher *watch.Watcher
	watched map[string]*watch.Target // by directory
	saved   chan time.Time           // of capacity 1: the first save that no build has seen
}

// run builds once and then after each save, until ctx ends. It calls report with each outcome.
func (d *developer) run(ctx context.Context, report func(cycle)) error {
	d.watcher = watch.New(watch.Options{Settle: 20 * time.Millisecond})
	defer d.watcher.Close()
	d.watched = map[string]*watch.Target{}
	d.saved = make(chan time.Time, 1)
	var saved time.Time
	for {
		// Watch before the build, so that a save during the build leads to another one.
		if err := d.watchSources(ctx); err != nil {
			return err
		}
		c := d.cycle(ctx, saved)
		if ctx.Err() != nil {
			return nil
		}
		report(c)
		select {
		case saved = <-d.saved:
		case <-ctx.Done():
			return nil
		}
	}
}

// watchSources watches the directories that the plugin is built from. While the sources have errors, it keeps the previous
// ones.
func (d *developer) watchSources(ctx context.Context) error {
	dirs, err := build.Sources(ctx, d.options)
	if err != nil {
		if len(d.watched) == 0 && ctx.Err() == nil {
			return err
		}
		return nil // the build reports it
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

// isSource reports whether a file of that name can be part of an image. Editors write hidden files and backups as well.
func isSource(name string) bool {
	return !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "#") && !strings.HasSuffix(name, "~") &&
		!strings.HasSuffix(name, ".so") && !strings.HasSuffix(name, "_test.go")
}
