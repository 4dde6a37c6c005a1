package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"testing"

	"github.com/sohost/sohost/native"
)

// TestEmbedded runs a server of another module that embeds the library, built with plain `go build -trimpath`, and reloads a
// plugin in it that was built with `sohost build --host`.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	program := buildEmbedder(t)
	src := newSource(t, "counter")
	file := filepath.Join(p.plugins, "counter.so")
	install(t, src.buildFor(program), file)
	d := startServer(t, p, program, p.store, file)

	load := startLoad(4, *steady, get(d.url+"/counter"))
	for i := range 3 {
		src.edit("counter.go", "const schema = ", "var generation = "+strconv.Itoa(i)+"\n\nconst schema = ")
		image := src.buildFor(program)
		mark := d.mark()
		install(t, image, file)
		if to := d.awaitReload(mark, "counter"); to != short(t, image) {
			t.Errorf("reload to %s, want %s", to, short(t, image))
		}
		src.edit("counter.go", "var generation = "+strconv.Itoa(i)+"\n\n", "")
	}
	checkCounted(t, load.end(t))
	d.terminate()
}

func buildEmbedder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "embedder")
	if err := os.CopyFS(dir, os.DirFS("testdata/embedder")); err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(repository, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"mod", "edit", "-replace=github.com/sohost/sohost=" + repository},
		{"mod", "tidy"},
	} {
		if err := run(dir, nil, "go", args...); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "embedder")
	var env []string
	if *arm64 {
		env = crossEnv()
	}
	if err := goBuild(dir, program, ".", env); err != nil {
		t.Fatal(err)
	}
	return program
}

// TestForeignModule loads a plugin from another module with another version of a library that the server uses as well.
func TestForeignModule(t *testing.T) {
	t.Parallel()
	const library, own = "github.com/pelletier/go-toml/v2", "v2.1.0"
	src := newSourceOf(t, "foreign", "testdata/foreign")
	src.require(library + "@" + own)
	p := newPlace(t)
	image := filepath.Join(p.plugins, "foreign.so")
	install(t, src.build(), image)
	if v := version(t, image, library); v != own {
		t.Fatalf("the image has %s %s, want %s", library, v, own)
	}
	if v := version(t, server, library); v == own || v == "" {
		t.Fatalf("the server has %s %q: the test needs another than %s", library, v, own)
	}
	d := p.start(t, "--plugins", p.plugins)
	if answer, _ := d.get("/foreign"); answer != "42" {
		t.Errorf("the plugin answers %q", answer)
	}
}

func version(t *testing.T, file, module string) string {
	t.Helper()
	var info native.Info
	if err := json.Unmarshal([]byte(cli(t, "inspect", "--json", file)), &info); err != nil {
		t.Fatal(err)
	}
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Path == module {
			return m.Version
		}
	}
	return ""
}
