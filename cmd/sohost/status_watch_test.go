package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sohost/sohost/internal/program"
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

// copyImage puts an image into place as sohost build does: nobody reads half of it.
func copyImage(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to+".tmp", b, 0o755)
	}
	if err == nil {
		err = os.Rename(to+".tmp", to)
	}
	if err != nil {
		t.Fatal(err)
	}
}
