package main

import (
	"bytes"
	"encoding/json"
	"io"
	"path/filepath"
	"sync"
	"testing"

	"github.com/sohost/sohost/internal/build"
	"github.com/sohost/sohost/internal/events"
	"github.com/sohost/sohost/internal/server/control"
)

// TestDevJSON prints panics beside outcomes: each is a line of its own.
func TestDevJSON(t *testing.T) {
	const each = 200
	var out bytes.Buffer
	o := newDevOutput(&out, io.Discard, true, false)
	defer o.progress.stop()
	var both sync.WaitGroup
	both.Go(func() {
		for range each {
			o.cycle(cycle{Plugin: "a", Error: "b"})
		}
	})
	both.Go(func() {
		for range each {
			o.panicked(events.Event{})
		}
	})
	both.Wait()
	n := 0
	for lines := json.NewDecoder(&out); ; n++ {
		var line map[string]any
		if err := lines.Decode(&line); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if n != 2*each {
		t.Errorf("%d lines, want %d", n, 2*each)
	}
}

// TestDevPlugin names the plugin after the file that is written, also if that can't be built.
func TestDevPlugin(t *testing.T) {
	dir := t.TempDir()
	d := developer{client: control.NewClient(filepath.Join(dir, "none.sock")),
		options: build.Options{Package: filepath.Join(dir, "greeter"), Output: filepath.Join(dir, "shop.so")}}
	if c := d.cycle(t.Context(), save{}); c.Plugin != "shop" || c.Error == "" {
		t.Errorf("%+v", c)
	}
}
