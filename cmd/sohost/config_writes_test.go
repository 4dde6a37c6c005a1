package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sohost/sohost/internal/server/worker"
)

// TestWritesConfig reads how clients write, with tokens from files, and lists all that is wrong with it.
func TestWritesConfig(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte("second\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := parseConfig(filepath.Join(dir, "sohost.toml"), []byte(`
[writes]
ack = "handled"
tokens = ["first"]
token_files = ["token"]
body_limit = 5
spool_limit = 6
`))
	if err != nil || !c.Writes {
		t.Fatal(c, err)
	}
	w, err := c.writing.options()
	if err != nil || w.Ack != worker.Handled || w.BodyLimit != 5 || w.SpoolLimit != 6 || !slices.Equal(w.Tokens, []string{"first", "second"}) {
		t.Errorf("%+v, %v", w, err)
	}
	if c, err = parseConfig("sohost.toml", []byte("writes = true")); err != nil || !c.Writes || c.writing.Ack != worker.Spooled {
		t.Errorf("%+v, %v", c, err)
	}
	c.writing.TokenFiles = []string{filepath.Join(dir, "none")}
	if _, err := c.writing.options(); err == nil || !strings.Contains(err.Error(), "token_files") {
		t.Errorf("a token file that isn't there: %v", err)
	}
	_, err = parseConfig("sohost.toml", []byte(`
[writes]
ack = "never"
tokens = [""]
body_limit = 0
speed = 1
[plugin.a]
image = "a.so"
routes = ["/write", "/ping"]
[[plugin.a.trigger]]
spec = "request:health"
[route."/query/"]
chain = ["a"]
`))
	for _, want := range []string{`ack: want "spool" or "handled"`, "tokens: want strings", "body_limit: want more", `unknown setting "speed"`,
		"route /write is where clients write", "route /ping is", "path /health is", "route /query/ is"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %q: %v", want, err)
		}
	}
}
