package slim

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckLinknames refers by go:linkname to functions of a package of the standard library, which the host has.
func TestCheckLinknames(t *testing.T) {
	for _, test := range []struct {
		std    bool
		target string
		want   string
	}{
		{true, "lib/s.closed", "example.com/m refers to lib/s.closed"},
		{true, "lib/s.open", ""},
		{false, "lib/s.closed", ""},
		{true, "lib/s.absent", ""}, // the linker reports that
	} {
		t.Run(fmt.Sprintf("%s std=%t", test.target, test.std), func(t *testing.T) {
			dir := t.TempDir()
			compileText(t, dir, "lib/s", fmt.Sprintf("-std=%t", test.std), `package s

import _ "unsafe"

//go:linkname open
func open() { closed() }

//go:noinline
func closed() {}
`)
			compileText(t, dir, "example.com/m", "-std=false", "package main\n\nimport _ \"unsafe\"\n\n//go:linkname pulled "+test.target+
				"\nfunc pulled()\n\nfunc main() { pulled() }\n")
			packages := []Package{{Path: "lib/s", Archive: filepath.Join(dir, "lib_s.a")}, {Path: "example.com/m", Archive: filepath.Join(dir, "example.com_m.a"), Own: true}}
			c, err := Close(hostWith(t, "go:link.pkghashbytes.lib/s", "lib/s.open", "lib/s.closed"), packages, "example.com/m")
			if err != nil {
				t.Fatal(err)
			}
			err = c.CheckLinknames()
			unslim := (*Unslim)(nil)
			if test.want == "" && err != nil || test.want != "" && (!errors.As(err, &unslim) || !strings.HasPrefix(err.Error(), test.want)) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// compileText compiles a package that imports none into a file in dir.
func compileText(t *testing.T, dir, path, flag, text string) {
	t.Helper()
	base := filepath.Join(dir, strings.ReplaceAll(path, "/", "_"))
	if err := os.WriteFile(base+".go", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"tool", "compile", "-p=" + path, "-dynlink", "-linkshared", flag, "-pack", "-o", base + ".a", base + ".go"}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
