package build

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/adapters"
	"github.com/sohost/sohost/native"
)

// library makes a module with a middleware for Traefik, which has a package of its own.
func library(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, dir: filepath.Join(t.TempDir(), "demo")}
	for name, text := range map[string]string{
		"go.mod":       "module example.com/demo\n\ngo 1.16\n",
		".traefik.yml": "type: middleware\ntestData:\n  headers:\n    X: 1\n",
		"own/own.go":   "package own\n\nvar Calls int\n",
		"demo.go": `package demo

import (
	"context"
	"net/http"

	"example.com/demo/own"
)

type Settings struct{ Headers map[string]string }

func CreateConfig() *Settings { return &Settings{} }

func New(_ context.Context, next http.Handler, c *Settings, _ string) (http.Handler, error) {
	own.Calls++
	return next, nil
}
`,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(f.dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(f.dir, name), text)
	}
	return f
}

// TestLibrary builds a library with a package main that isn't among its sources. Its own packages are new in every generation, and a
// change of them, or of the file that describes the plugin, makes another image.
func TestLibrary(t *testing.T) {
	long(t)
	f := library(t)
	opts := f.options(".")
	opts.API = "traefik"
	build := func() *Result {
		t.Helper()
		r, err := Build(context.Background(), opts)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := build()
	info, err := native.InspectFile(first.Output)
	if err != nil {
		t.Fatal(err)
	}
	if adapters.Of(info) != "traefik" || !slices.Contains(info.Symbols, "SohostTraefik") {
		t.Errorf("the image is of the API %q and exports %v", adapters.Of(info), info.Symbols)
	}
	if entries := must(os.ReadDir(f.dir)); len(entries) != 4 && len(entries) != 5 { // the image may lie there
		t.Errorf("the sources are now %v", entries)
	}
	if again := build(); again.Image != first.Image || again.Changed {
		t.Errorf("the same sources make %s, and then %s", first.Image, again.Image)
	}
	f.edit("own/own.go", "Calls int", "Calls, Errors int")
	second := build()
	f.edit(".traefik.yml", "X: 1", "X: 2")
	if third := build(); second.Image == first.Image || third.Image == second.Image {
		t.Errorf("the images are %s, %s, %s", first.Image, second.Image, third.Image)
	}
	fresh := func(image string) (path string) {
		for _, p := range must(native.InspectFile(image)).Seal.Private {
			if strings.HasPrefix(p, "example.com/demo_g") {
				path = p
			}
		}
		return path
	}
	if p := fresh(second.Output); p == "" || !slices.Contains(must(Sources(context.Background(), opts)), filepath.Join(f.dir, "own")) {
		t.Errorf("the library is %q in the image, and its own packages aren't watched", p)
	}
}

// TestNoLibrary refuses what is no plugin of an API.
func TestNoLibrary(t *testing.T) {
	f := library(t)
	for _, test := range []struct{ api, from, to, reason string }{
		{"kong", "", "", `there is no "kong"`},
		{"", "", "", "is a library"},
		{"krakend", "", "", "is a library"},
		{"traefik", "type: middleware", "type: provider", "says that it is a provider"},
		{"traefik", "type: provider", "type: [", "read .traefik.yml"},
	} {
		opts := f.options(".")
		opts.API = test.api
		if test.from != "" {
			f.edit(".traefik.yml", test.from, test.to)
		}
		_, err := Build(context.Background(), opts)
		if r := refusal(t, err, ErrPackage); !strings.Contains(r.Reason, test.reason) {
			t.Errorf("%s: %q, want %q", test.api, r.Reason, test.reason)
		}
	}
	write(t, filepath.Join(f.dir, ".traefik.yml"), "")
	f.edit("demo.go", "func CreateConfig", "func createConfig")
	opts := f.options(".")
	opts.API = "traefik"
	_, err := Build(context.Background(), opts)
	if r := refusal(t, err, ErrPackage); !strings.Contains(r.Reason, "declares no func CreateConfig") {
		t.Error(r.Reason)
	}
}

// TestDeclaredAPI tells the API of a package main by its variables, and refuses what a plugin for Tyk imports before it is compiled.
func TestDeclaredAPI(t *testing.T) {
	dir := t.TempDir()
	main := &listed{ImportPath: "example.com/p", Name: "main", Dir: dir, GoFiles: []string{"main.go"}}
	l := &listing{main: main, all: []*listed{{ImportPath: "github.com/TykTechnologies/tyk/ctx"}, main}}
	for _, test := range []struct{ src, given, api, reason string }{
		{"package main\nvar A, HandlerRegisterer = 1, 2\n", "", "krakend", ""},
		{"package main\nfunc HandlerRegisterer() {}\n", "", "", "doesn't import " + abiPath},
		{"package main\nfunc F() {}\n", "tyk", "", "github.com/TykTechnologies/tyk/ctx (the session and the API definition of a request)"},
		{"package main\nvar HandlerRegisterer = 1\n", "sohost", "", "doesn't import " + abiPath},
		{"package main\nfunc (\n", "", "", "doesn't import " + abiPath},
	} {
		write(t, filepath.Join(dir, "main.go"), test.src)
		api, err := l.apiOf(Options{API: test.given})
		if api != test.api || test.reason != "" && !strings.Contains(refusal(t, err, ErrPackage).Reason, test.reason) {
			t.Errorf("%s: %q, %v", test.src, api, err)
		}
	}
	l.all = append(l.all, &listed{ImportPath: abiPath})
	if api, err := l.apiOf(Options{}); api != "" || err != nil {
		t.Errorf("one of sohost's own: %q, %v", api, err)
	}
}

// TestUnused removes generated files that no build has used for long, and keeps those that one uses.
func TestUnused(t *testing.T) {
	dir := t.TempDir()
	used, unused := filepath.Join(dir, "used.go"), filepath.Join(dir, "unused.go")
	for _, file := range []string{used, unused} {
		write(t, file, "package main\n")
		if long := time.Now().Add(-unusedFor - time.Hour); os.Chtimes(file, long, long) != nil {
			t.Fatal("the file has another time")
		}
	}
	if err := writeOnce(used, nil); err != nil {
		t.Fatal(err)
	}
	removeUnused(dir)
	if entries := must(os.ReadDir(dir)); len(entries) != 1 || string(must(os.ReadFile(used))) != "package main\n" {
		t.Errorf("there are %v", entries)
	}
}
