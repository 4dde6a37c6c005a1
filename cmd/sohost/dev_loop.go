package main

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/build"
	"github.com/sohost/sohost/internal/events"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/watch"
	"golang.org/x/sys/unix"
)

// developer is a running `sohost dev`.
type developer struct {
	options build.Options
	name    string // of the plugin in the server; "": from options.Output
	client  *control.Client

	loseState bool // deploy images even if they lose state

	deploying func() // called before an image is deployed, if not nil

	watcher *watch.Watcher
	watched map[string]*watch.Target // by directory
	saved   chan save                // of capacity 1: the first save that no build has seen
	content sourceFiles              // of the sources, as of the last build
}

// save is a change of a source.
type save struct {
	at      time.Time // when the file changed
	noticed time.Time
}

// saveOf returns the first of the changes in an event.
func saveOf(dir string, ev watch.Event) save {
	s := save{noticed: time.Now()}
	s.at = s.noticed
	for _, name := range ev.Names {
		var st unix.Stat_t
		if unix.Lstat(filepath.Join(dir, name), &st) != nil {
			continue
		}
		if at := time.Unix(st.Ctim.Unix()); at.Before(s.at) && s.noticed.Sub(at) < maxNotice {
			s.at = at
		}
	}
	return s
}

// maxNotice bounds how long ago a change can have been: what a file tells beyond that is of another change.
const maxNotice = 3 * time.Second

// settleSaves is how long a directory must be quiet before there is a build. Who changes many files at once, such as git, takes longer
// now and then: the rest leads to one more build.
const settleSaves = 10 * time.Millisecond

// run builds once and then after each save, until ctx ends.
func (d *developer) run(ctx context.Context, o *devOutput) error {
	ctx, cancel := context.WithCancel(ctx)
	var listening sync.WaitGroup
	listening.Go(func() { d.listen(ctx, o.panicked) })
	defer listening.Wait()
	defer cancel()
	d.watcher = watch.New(watch.Options{Settle: settleSaves})
	defer d.watcher.Close()
	d.watched = map[string]*watch.Target{}
	d.saved = make(chan save, 1)
	var saved save
	good := false
	for {
		// Watch before the build, so that a save during the build leads to another one.
		reading := o.begin("reading the sources of " + d.plugin())
		err := d.watchSources(ctx)
		reading.end()
		if err != nil {
			return err
		}
		// What wasn't built or deployed is tried again by any save.
		if changed, _ := d.content.read(d.watched); changed || !good {
			building := o.begin("building " + d.plugin())
			d.options.Compiling = building.compiling
			d.deploying = func() { building.becomes("deploying " + d.plugin()) }
			c := d.cycle(ctx, saved)
			building.end()
			if ctx.Err() != nil {
				return nil
			}
			o.cycle(c)
			// What was written during the build, and back, may be in the image.
			_, written := d.content.read(d.watched)
			good = c.Error == "" && !written
		}
		o.rest(len(d.watched))
		select {
		case saved = <-d.saved:
		case <-ctx.Done():
			return nil
		}
	}
}

// plugin returns the plugin's name in the server.
func (d *developer) plugin() string {
	switch {
	case d.name != "":
		return d.name
	case d.options.Output != "":
		return strings.TrimSuffix(filepath.Base(d.options.Output), ".so")
	}
	return imageName(d.options.Package)
}

// listen calls each with the plugin's panics, until ctx ends.
func (d *developer) listen(ctx context.Context, each func(events.Event)) {
	in := control.EventsRequest{Plugins: []string{d.plugin()}, Kinds: []string{string(generations.KindPanic)}}
	for {
		d.client.Events(ctx, in, func(m control.Message) error { // whatever its end was: there is a server, or there will be
			in.Since = m.ID
			if m.Event != nil {
				each(*m.Event)
			}
			return nil
		})
		select {
		case <-time.After(listenAgain):
		case <-ctx.Done():
			return
		}
	}
}

// listenAgain is how long to wait for a server to answer again.
const listenAgain = time.Second

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
		t, err := d.watcher.Dir(dir, isSource, func(ev watch.Event) {
			select {
			case d.saved <- saveOf(dir, ev):
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
