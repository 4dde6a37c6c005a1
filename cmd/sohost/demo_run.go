package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sohost/sohost/internal/build"
	"github.com/sohost/sohost/internal/program"
	"github.com/sohost/sohost/internal/scratch"
	"github.com/sohost/sohost/internal/server/control"
)

// demo is one run of `sohost demo`.
type demo struct {
	view     *demoView
	pause    time.Duration
	progress io.Writer // for the first build

	developer developer
	source    string // the plugin's file
	load      *demoLoad
	report    demoReport
}

// demoChange is an edit of the plugin's source.
type demoChange struct {
	what     string
	from, to string
}

// demoChanges are made one after the other; the handover comes after the fourth.
var demoChanges = []demoChange{
	{"another text", `"demo: request`, `"demo, version 2: request`},
	{"another text", `version 2`, `version 3`},
	{"a mistake", `version 3: request %d, generation %s\n", p.requests`, `version 4: request %d, generation %s\n", p.request`},
	{"the mistake mended", `p.request.Add`, `p.requests.Add`},
	{"another text", `version 4`, `version 5`},
	{"another text", `version 5`, `version 6`},
}

const demoHandoverAfter = 4

// demoConfiguration keeps the server away from all others of this user.
const demoConfiguration = `listen = "127.0.0.1:0"
plugins = "plugins"
store = "store"
control = "c.sock"
`

// run does all of it. Nothing is left behind, whatever the outcome.
func (d *demo) run(ctx context.Context) (demoReport, error) {
	dir, remove, err := scratch.New("sohost-demo")
	if err != nil {
		return demoReport{}, err
	}
	defer remove()
	plugin := newPlugin{Name: "demo", Dir: filepath.Join(dir, "demo"), Module: "example.com/demo"}
	if err := plugin.write(ctx); err != nil {
		return demoReport{}, err
	}
	this, err := os.Executable()
	if err != nil {
		return demoReport{}, err
	}
	d.source = filepath.Join(plugin.Dir, "plugin.go")
	d.developer = developer{name: plugin.Name, client: control.NewClient(filepath.Join(dir, "c.sock")),
		options: build.Options{Package: plugin.Dir, Dir: dir, Output: filepath.Join(dir, "plugins", "demo.so")}}
	if err := d.firstBuild(ctx); err != nil {
		return demoReport{}, err
	}
	server, err := program.Server(this, dir, demoConfiguration)
	if err != nil {
		return demoReport{}, err
	}
	defer server.Stop()
	d.view.say("serving at %s/demo, and %d clients ask without a break", server.URL, demoClients)
	d.load = startLoad(server.URL+"/demo", d.view.show)
	defer d.load.stop()
	if err := d.changes(ctx); err != nil {
		return demoReport{}, err
	}
	d.load.stop()
	return d.reported(server.URL)
}

// firstBuild builds the plugin as it is at first. It may compile the standard library.
func (d *demo) firstBuild(ctx context.Context) error {
	begin := time.Now()
	p := newProgress(d.progress, "building")
	item := p.begin("the plugin")
	options := d.developer.options
	options.Log, options.Compiling = p, item.compiling
	_, err := build.Build(ctx, options)
	item.end()
	p.stop()
	if err == nil {
		d.view.say("a plugin that counts its requests, built in %s", short(time.Since(begin)))
	}
	return err
}

// changes changes the code, and moves to another process on the way.
func (d *demo) changes(ctx context.Context) error {
	for i, change := range demoChanges {
		if err := d.wait(ctx); err != nil {
			return err
		}
		if err := d.change(ctx, i+1, change); err != nil {
			return err
		}
		if i+1 != demoHandoverAfter {
			continue
		}
		if err := d.wait(ctx); err != nil {
			return err
		}
		if err := d.handover(ctx); err != nil {
			return err
		}
	}
	return d.wait(ctx)
}

func (d *demo) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d.pause):
		return nil
	}
}

// change edits the source, builds it and deploys the image, as `sohost dev` does after a save.
func (d *demo) change(ctx context.Context, n int, change demoChange) error {
	text, err := os.ReadFile(d.source)
	if err != nil {
		return err
	}
	changed := strings.Replace(string(text), change.from, change.to, 1)
	if changed == string(text) {
		return fmt.Errorf("the plugin's source has no %s", change.from)
	}
	if err := os.WriteFile(d.source, []byte(changed), 0o644); err != nil {
		return err
	}
	d.load.lap()
	now := time.Now()
	c := d.developer.cycle(ctx, save{at: now, noticed: now})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	lap := d.load.lap()
	switch {
	case c.Image == "":
		d.report.NotBuilt++
		d.view.mark('×')
		reason, _, _ := strings.Cut(strings.TrimSpace(c.Error), "\n")
		d.view.say("change %d, %s: %s: not built, and the code before keeps serving; %v", n, change.what, filepath.Base(reason), lap)
	case c.Reload == nil:
		return fmt.Errorf("change %d: %s", n, c.Error)
	default:
		d.report.Reloads++
		d.view.mark('↑')
		d.view.say("change %d, %s: live %s after the save (build %s, reload %s, state: %s); %v", n, change.what, short(c.Live), short(c.Build),
			short(c.Reload.Phases.Total()), stateWay(*c.Reload), lap)
	}
	return nil
}

// handover moves the server to another process.
func (d *demo) handover(ctx context.Context) error {
	d.load.lap()
	begin := time.Now()
	h, err := d.developer.client.Handover(ctx, control.HandoverRequest{Why: "sohost demo"})
	if err != nil {
		return err
	}
	d.report.Handovers++
	d.view.mark('⇄')
	d.view.say("handover from process %d to %d in %s, with state and connections; %v", h.Giver, h.Taker, short(time.Since(begin)), d.load.lap())
	return nil
}

// reported asks the plugin how many requests it has counted, and returns the report.
func (d *demo) reported(url string) (demoReport, error) {
	text, err := demoGet(url + "/demo")
	if err != nil {
		return demoReport{}, err
	}
	_, count, _ := strings.Cut(text, "request ")
	if _, err := fmt.Sscanf(count, "%d", &d.report.Counted); err != nil {
		return demoReport{}, fmt.Errorf("the plugin answers %q: %w", text, err)
	}
	d.report.Counted-- // that one wasn't of the load
	d.load.report(&d.report)
	return d.report, nil
}
