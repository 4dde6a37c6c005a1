package wrap

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWrap shows what is written for a library, and what isn't one. That the source compiles, package build shows.
func TestWrap(t *testing.T) {
	const funcs = "package p\nfunc CreateConfig() {}\nfunc New() {}\n"
	for _, test := range []struct{ src, manifest, want string }{
		{funcs, "", `export(plugin.CreateConfig, plugin.New, "")`},
		{funcs, "type: middleware\ntestData:\n  b: [1, x]\n  a: {c: true}\n", `"{\"a\":{\"c\":true},\"b\":[1,\"x\"]}")`},
		{funcs, "type: provider\n", ".traefik.yml says that it is a provider"},
		{funcs, "type: [", "read .traefik.yml"},
		{"package p\ntype T int\nfunc (T) New() {}\n", "", "it declares no func CreateConfig and no func New"},
		{"package p\nfunc (", "", "plugin \"example.com/p\""}, // for the compiler
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{"p.go": test.src, ".traefik.yml": test.manifest} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		src, err := Main("example.com/p", dir, []string{"p.go"})
		got := string(src)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, test.want) {
			t.Errorf("of %q and %q: %s, want %s", test.src, test.manifest, got, test.want)
		}
	}
}
