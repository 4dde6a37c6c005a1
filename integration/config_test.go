package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/server/control"
)

// TestConfigUnderLoad changes the configuration again and again while clients call: a plugin comes and goes, another one's arguments
// change, and faulty configurations come in between. Then, beside a faulty file, commands change another plugin. No request of the
// plugin that is in all of them fails, and each is counted.
func TestConfigUnderLoad(t *testing.T) {
	p := newPlace(t)
	install(t, newSourceOf(t, "tally", filepath.Join("testdata", "tally")).build(), filepath.Join(p.plugins, "tally.so"))
	install(t, newSource(t, "hello").build(), filepath.Join(p.plugins, "hello.so"))
	file := filepath.Join(p.dir, "sohost.toml")
	configure := func(i int, more string) {
		text := fmt.Sprintf("settle = \"%dms\"\n[plugin.tally]\nimage = %q\nargs = { turn = \"%d\" }\n%s", 50+i, filepath.Join(p.plugins, "tally.so"), i, more)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	hello := fmt.Sprintf("[plugin.hello]\nimage = %q\n", filepath.Join(p.plugins, "hello.so"))
	configure(0, "")
	d := p.start(t, "--config", file)
	calls := startClients(posting(2, d.url+"/tally/x")...)
	defer calls.end()
	reloads := 6
	if testing.Short() {
		reloads = 2
	}
	for i := 1; i <= reloads; i++ {
		calls.await(t, 20)
		configure(i, hello+"mode = \"sometimes\"\n")
		if _, err := d.client.Reload(patient(t), control.ReloadRequest{}); err == nil {
			t.Fatal("a faulty configuration is taken up")
		}
		configure(i, hello)
		r, err := d.client.Reload(patient(t), control.ReloadRequest{})
		if err != nil || r.Handover == nil {
			t.Fatal(r, err)
		}
		d.get("/hello")
		configure(i, "")
		if r, err = d.client.Reload(patient(t), control.ReloadRequest{}); err != nil || len(r.Handover.Removed) != 1 {
			t.Fatal(r, err)
		}
	}
	configure(reloads, "[plugin.hello]\n")
	file = filepath.Join(p.plugins, "hello.so")
	for _, a := range []control.Amendment{
		{Verb: control.Add, Image: file, Settings: []string{"route=/h"}}, {Verb: control.Disable}, {Verb: control.Enable},
		{Verb: control.Move, Mode: sohost.Dev}, {Verb: control.Move, Mode: sohost.Prod}, {Verb: control.Remove},
	} {
		calls.await(t, 20)
		a.Plugin = "hello"
		r, err := d.client.Reload(patient(t), control.ReloadRequest{Amend: &a})
		if err != nil || r.Handover == nil {
			t.Fatal(a.Verb, r, err)
		}
		if a.Verb == control.Add || a.Verb == control.Enable {
			d.get("/h")
		}
	}
	calls.await(t, 20)
	calls.end()
	if len(calls.failures) > 0 {
		t.Errorf("%d requests failed, such as %v", len(calls.failures), calls.failures[0].err)
	}
	if n, _ := d.get("/tally/x"); n != fmt.Sprint(calls.sent()) {
		t.Errorf("%s requests are counted, and %d were answered", n, calls.sent())
	}
}
