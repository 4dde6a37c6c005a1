package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sohost/sohost/internal/server/control"
)

// TestThinProgram hands over to a program that has less of the standard library. An image that takes what that lacks is named, with what
// it is, and serves on. One that was built for that program brings it along, and works in both, for two plugins, of which the configuration
// adds one once the program has passed its probation.
func TestThinProgram(t *testing.T) {
	switch {
	case testing.Short():
		t.Skip("it links another server; make long runs it")
	case raceEnabled || *arm64:
		t.Skip("images for the race detector are full; on arm64 it is the same code")
	}
	t.Parallel()
	p := newPlace(t)
	thin := filepath.Join(p.dir, "sohost-thin")
	if err := goBuild(repository, thin, "./cmd/sohost", nil, "-tags", "sohost_thin"); err != nil {
		t.Fatal(err)
	}
	src := newSource(t, "counter")
	src.write("taker.go", "package main\n\nimport \"net/http/httptest\"\n\nfunc init() { httptest.NewRecorder().Flush() }\n")
	file, extra := filepath.Join(p.plugins, "counter.so"), filepath.Join(p.plugins, "extra.so")
	image := src.build()
	install(t, image, file)
	install(t, image, extra)
	config := filepath.Join(p.dir, "sohost.toml")
	configure := func(plugins ...string) {
		text := "probation = '500ms'\n"
		for _, name := range plugins {
			text += fmt.Sprintf("[plugin.%s]\nimage = \"plugins/%s.so\"\nmode = \"dev\"\n", name, name)
		}
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure("counter", "extra")
	d := p.start(t, "--config", config)
	configure("counter")
	if _, err := d.client.Reload(patient(t), control.ReloadRequest{}); err != nil {
		t.Fatal(err)
	}
	counting := startLoad(2, *steady, get(d.url+"/counter"))
	before := d.status()
	_, err := d.client.Handover(patient(t), control.HandoverRequest{Program: thin})
	if err == nil || !strings.Contains(err.Error(), "missing symbols: net/http/httptest: ") || !strings.Contains(err.Error(), "--host "+thin) {
		t.Errorf("the program isn't refused for what it lacks: %v", err)
	}
	if s := d.status(); s.Worker.PID != before.Worker.PID {
		t.Error("another worker serves")
	}
	mark := d.mark()
	image = src.buildFor(thin)
	install(t, image, file)
	install(t, image, extra)
	id := short(t, image)
	d.await(mark, func(l line) bool { return l.text("msg") == "reloaded" && l.text("to") == id })
	configure("counter", "extra") // the release has its image from before, which doesn't fit
	mark = d.mark()
	if _, err := d.client.Handover(patient(t), control.HandoverRequest{Program: thin}); err != nil {
		t.Error(err)
	}
	d.await(mark, isMessage("the configuration was read again"))
	d.get("/extra")
	counting.end(t)
}
