package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/program"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/hooks"
	"github.com/sohost/sohost/internal/terminal"
)

// TestWatchRedraws watches a server on a terminal: each change is drawn over what was there, no line is wider than the terminal, also
// after that has another size, and in the end the terminal is as it was.
func TestWatchRedraws(t *testing.T) {
	built(t)
	dir := t.TempDir()
	socket, plugins := filepath.Join(dir, "c.sock"), filepath.Join(dir, "plugins")
	if err := os.Mkdir(plugins, 0o755); err != nil {
		t.Fatal(err)
	}
	copyImage(t, firstSo, filepath.Join(plugins, "greeter.so"))
	server, err := program.Start(program.Serving, nil, sohostFile, "run", "--listen", "127.0.0.1:0", "--plugins", plugins,
		"--store", filepath.Join(dir, "store"), "--control", socket, "--log-format", "json")
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	defer func() {
		if !stopped {
			server.Stop()
		}
	}()

	watch := onTerminal(t, 60, 12, sohostFile, "status", "--watch", "--control", socket)
	narrow := watch.await(`more lines`) // the status has more than 12
	watch.resize(90, 50)
	watch.await(`greeter `)
	wide := watch.await(`release 1`)
	copyImage(t, secondSo, filepath.Join(plugins, "greeter.so"))
	watch.await(`release 2`)
	server.Stop()
	stopped = true
	watch.await(`no server answers`)
	end := watch.end(os.Interrupt)

	if !strings.HasPrefix(narrow, "\x1b[?1049h") || !strings.HasSuffix(end, "\x1b[?25h\x1b[?1049l") {
		t.Errorf("the terminal isn't as it was: it began with %q and ended with %q", narrow[:20], end)
	}
	for limit, text := range map[int]string{60: narrow, 90: wide} {
		text = strings.NewReplacer("\x1b[?1049h", "", "\x1b[?25l", "", "\x1b[H", "\n", "\x1b[K", "", "\x1b[J", "", "\r", "").Replace(text)
		for line := range strings.Lines(text) {
			if n := terminal.Columns(strings.TrimSuffix(line, "\n")); n > limit {
				t.Errorf("a line of %d columns in %d: %q", n, limit, line)
			}
		}
	}
}

// wideTerminal is a terminal that keeps what is written.
type wideTerminal struct {
	bytes.Buffer
	look terminal.Look
}

func (w *wideTerminal) Look() terminal.Look { return w.look }

// TestWatchErasesFirst draws lines that are as wide as the terminal, where the cursor then stays on the last character: erasing from there
// would take it.
func TestWatchErasesFirst(t *testing.T) {
	s := control.Status{Unknown: strings.Repeat("x", 100)}
	for height := 1; height < 12; height++ {
		out := &wideTerminal{look: terminal.Look{Redraws: true, Width: 20, Height: height + 1}}
		w := statusWatch{out: out}
		if err := w.draw(s, nil); err != nil {
			t.Fatal(err)
		}
		if at := regexp.MustCompile(`[^\n\x1bHhl]\x1b\[[KJ]`).FindString(out.String()); at != "" {
			t.Errorf("%d lines: it erases after a character: %q", height+1, out.String())
		}
		if lines := strings.Count(out.String(), "\n"); lines > height {
			t.Errorf("on %d lines it begins another one: %q", height+1, out.String())
		}
	}
}

// TestWatchFacts tells of plugins that are removed, the last one too, and of those that a filter no longer shows; but not while nobody knows.
func TestWatchFacts(t *testing.T) {
	id := generations.ID{1}
	plugin := func(name string, refused bool) sohost.PluginStatus {
		p := sohost.PluginStatus{Name: name, Generation: id}
		if refused {
			p.Refused = &sohost.Refusal{Plugin: name, Source: "x.so"}
		}
		return p
	}
	has := func(worker bool, plugins ...sohost.PluginStatus) (s control.Status) {
		s.Plugins = plugins
		if worker {
			s.Worker = new(control.WorkerStatus)
		}
		return s
	}
	for _, test := range []struct {
		failing bool
		after   control.Status
		gone    error
		want    string
	}{
		{false, has(true), nil, "a is gone"},
		{false, has(false), nil, "no worker"},
		{true, has(true, plugin("a", false)), nil, "a is not shown any more"},
		{false, control.Status{Unknown: "the worker doesn't answer"}, nil, "plugins unknown"},
		{false, control.Status{}, errors.New("no server"), "no server"},
	} {
		var out bytes.Buffer
		w := statusWatch{out: &out, filter: statusFilter{failing: test.failing}}
		for i, s := range []control.Status{has(true, plugin("a", true)), test.after, test.after} {
			out.Reset()
			var gone error
			if i > 0 {
				gone = test.gone
			}
			if err := w.show(s, gone); err != nil {
				t.Fatal(err)
			}
			if i == 1 && (!strings.Contains(out.String(), test.want) || strings.Contains(out.String(), " is gone") != (test.want == "a is gone")) {
				t.Errorf("want %q, it prints\n%s", test.want, &out)
			}
		}
		if out.Len() > 0 {
			t.Errorf("of the same it prints %s", &out)
		}
	}
}

// TestStatusOfSome leaves out what isn't of the plugins that are asked for.
func TestStatusOfSome(t *testing.T) {
	s := control.Status{Hooks: []hooks.Status{{Name: "pager", Missed: 1}}}
	s.Plugins = []sohost.PluginStatus{{Name: "a"}}
	for plugin, want := range map[string]bool{"": true, "a": false} {
		var out bytes.Buffer
		if err := printStatus(&out, s, statusFilter{plugin: plugin}); err != nil || strings.Contains(out.String(), "hook pager") != want {
			t.Errorf("of %q: %v\n%s", plugin, err, &out)
		}
	}
}

// copyImage puts an image into place as sohost build does: nobody reads half of it.
func copyImage(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to+".tmp", b, 0o644)
	}
	if err == nil {
		err = os.Rename(to+".tmp", to)
	}
	if err != nil {
		t.Fatal(err)
	}
}
