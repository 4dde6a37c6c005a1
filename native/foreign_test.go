package native

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What the standard library defines without a package name must not count as a plugin's C code.
func TestRuntimeSymbols(t *testing.T) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	src := filepath.Join(strings.TrimSpace(string(out)), "src")
	define := regexp.MustCompile(`(?m)^(?:TEXT|GLOBL)\s+([A-Za-z_]\w*)(?:\+0)?\(SB\)`)
	found := 0
	err = filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "cmd") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".s") || !builtHere(path) {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range define.FindAllSubmatch(text, -1) {
			found++
			if name := string(m[1]); name != "NAME" && !runtimeSymbol(name) { // NAME is a macro's
				t.Errorf("%s defines %s", path, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found == 0 {
		t.Error("no assembly found in ", src)
	}
	for _, name := range []string{"answer", "main_loop", "_cgo_0123456789ab_Cfunc_f", "xxh3_init"} {
		if _, ok := wrapper(name); !ok && runtimeSymbol(name) {
			t.Errorf("%s would never collide", name)
		}
	}
}

// builtHere reports whether an assembly file is for a platform that images are built for, judging by its name.
func builtHere(path string) bool {
	for _, other := range []string{
		"386", "_arm.s", "mips", "ppc64", "riscv", "s390x", "wasm", "loong",
		"darwin", "windows", "bsd", "dragonfly", "solaris", "illumos", "aix", "plan9", "android", "ios",
	} {
		if strings.Contains(filepath.Base(path), other) {
			return false
		}
	}
	return true
}

func TestEscape(t *testing.T) {
	for path, want := range map[string]string{
		"fmt":                   "fmt",
		"example.com/a":         "example.com/a",
		"gopkg.in/yaml.v3":      "gopkg.in/yaml%2ev3",
		"gopkg.in/yaml.v3/a":    "gopkg.in/yaml.v3/a",
		"example.com/\"é%\x01 ": "example.com/%22%c3%a9%25%01%20",
	} {
		if got := escape(path); got != want {
			t.Errorf("escape(%q) = %q, want %q", path, got, want)
		}
	}
}
