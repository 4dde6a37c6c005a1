package slim

import (
	"debug/elf"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sohost/sohost/internal/goobj"
)

// sources are the packages of a plugin, by path: dependencies first.
var sources = []source{
	{"lib/c", "package c\n\ntype T struct{ P *int }\n\n//go:noinline\nfunc G() int { return 1 }\n\nfunc (*T) M() {}\n"},
	{"lib/a", "package a\n\nimport \"lib/c\"\n\n//go:noinline\nfunc F() int { return c.G() }\n\nvar V c.T\n"},
	{"runtime/x", "package x\n\n//go:noinline\nfunc X() {}\n"},
	{"example.com/m", "package main\n\nimport (\n\t\"lib/a\"\n\t\"lib/c\"\n\t\"runtime/x\"\n)\n\nvar own [2]c.T\n\n" +
		"func main() { println(a.F(), own[1].P); x.X() }\n"},
}

// compile compiles the sources.
func compile(t *testing.T) []Package {
	t.Helper()
	return compileSources(t, sources)
}

type source struct{ path, text string }

// compileSources compiles packages, dependencies first.
func compileSources(t *testing.T, sources []source) []Package {
	t.Helper()
	dir := t.TempDir()
	var packages []Package
	config := ""
	for i, s := range sources {
		source, archive := filepath.Join(dir, fmt.Sprint(i, ".go")), filepath.Join(dir, fmt.Sprint(i, ".a"))
		cfg := archive + ".cfg"
		for name, text := range map[string]string{source: s.text, cfg: config} {
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		args := []string{"tool", "compile", "-p=" + s.path, "-dynlink", "-linkshared", "-importcfg=" + cfg, "-pack", "-o", archive, source}
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		config += "packagefile " + s.path + "=" + archive + "\n"
		packages = append(packages, Package{Path: s.path, Archive: archive, Own: s.path == "example.com/m"})
	}
	return packages
}

// hostWith returns a host that can load plugins and has the symbols.
func hostWith(t *testing.T, symbols ...string) *Host {
	t.Helper()
	h := newTestHost()
	h.add("runtime.lastmoduledatap", elf.STT_OBJECT, make([]byte, 8))
	next := h.descriptor(mangled("type:*runtime.moduledata"), 22, 8, []byte{1})
	at := h.descriptor("type:runtime.moduledata", kindStruct, 16, []byte{3}, 0, 0, 1, 1, 0, next, 8)
	h.data[at-hostBase] = 16 // its size
	for _, s := range symbols {
		kind := elf.STT_OBJECT
		if !strings.Contains(s, ":") {
			kind = elf.STT_FUNC
		}
		h.add(s, kind, make([]byte, typeSize))
	}
	return h.open(t)
}

func TestClose(t *testing.T) {
	packages := compile(t)
	const a, c, x = "go:link.pkghashbytes.lib/a", "go:link.pkghashbytes.lib/c", "go:link.pkghashbytes.runtime/x"
	for _, test := range []struct {
		name  string
		host  []string
		along string
		why   map[string]string
	}{
		{"all", []string{a, c, x, "lib/a.F", "lib/c.G", "type:lib/c.T", "runtime/x.X"}, "example.com/m", map[string]string{}},
		{"a function is missing", []string{a, c, x, "lib/c.G", "type:lib/c.T", "runtime/x.X"}, "example.com/m lib/a",
			map[string]string{"lib/a": "the host lacks lib/a.F"}},
		{"what a function needs is missing", []string{a, c, x, "type:lib/c.T", "runtime/x.X"}, "example.com/m lib/a lib/c",
			map[string]string{"lib/a": "the host lacks lib/a.F", "lib/c": "the host lacks lib/c.G"}},
		{"the type of a variable is missing", []string{a, c, x, "lib/a.F", "lib/c.G", "runtime/x.X"}, "example.com/m lib/c",
			map[string]string{"lib/c": "the host lacks type:lib/c.T"}},
		{"a package is missing", []string{a, x, "lib/a.F", "lib/c.G", "type:lib/c.T", "runtime/x.X"}, "example.com/m lib/c",
			map[string]string{"lib/c": "the host doesn't have it"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Close(hostWith(t, test.host...), packages, "example.com/m")
			if err != nil {
				t.Fatal(err)
			}
			if along := strings.Join(got.Along, " "); along != test.along || len(got.Along)+len(got.Shared) != len(packages) {
				t.Errorf("brings %s, shares %v", along, got.Shared)
			}
			if !maps.Equal(got.Why, test.why) {
				t.Errorf("because %v", got.Why)
			}
			for _, theirs := range got.needed {
				if !slices.Contains(test.host, theirs) && theirs != "runtime.lastmoduledatap" && theirs != "type:runtime.moduledata" {
					t.Errorf("needs %s of the host", theirs)
				}
			}
		})
	}
}

// TestCloseInstances has two packages with one instance of a generic function, of which only one calls what the other inlines. The
// linker may take either.
func TestCloseInstances(t *testing.T) {
	const (
		calls   = "import \"lib/a\"\n\n//go:noinline\nfunc F() int { return a.G[int]() }\n"
		inlines = "import (\n\t\"lib/a\"\n\t\"lib/c\"\n)\n\n//go:noinline\nfunc F() int { return a.G[int]() }\n\nfunc W() int { return c.H() }\n" // who doesn't import c knows no function bodies of it
	)
	for _, test := range []struct{ name, b, d string }{
		{"the first calls it", "package b\n\n" + calls, "package d\n\n" + inlines},
		{"the second calls it", "package b\n\n" + inlines, "package d\n\n" + calls},
	} {
		t.Run(test.name, func(t *testing.T) {
			packages := compileSources(t, []source{
				{"lib/c", "package c\n\nvar V int\n\nfunc H() int { return V }\n"},
				{"lib/a", "package a\n\nimport \"lib/c\"\n\n//go:noinline\nfunc G[T any]() int { return c.H() }\n"},
				{"lib/b", test.b},
				{"lib/d", test.d},
				{"example.com/m", "package main\n\nimport (\n\t\"lib/b\"\n\t\"lib/d\"\n)\n\nfunc main() { println(b.F(), d.F()) }\n"},
			})
			got, err := Close(hostWith(t, "go:link.pkghashbytes.lib/c", "lib/c.H", "lib/c.V"), packages, "example.com/m")
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []name{{"lib/c.H", goobj.ABIInternal}, {"lib/c.V", goobj.ABI0}} {
				if got.needed[n] == "" {
					t.Errorf("doesn't need %s of the host", n.text)
				}
			}
		})
	}
}

func TestUnslim(t *testing.T) {
	packages := compile(t)
	const a, c, x = "go:link.pkghashbytes.lib/a", "go:link.pkghashbytes.lib/c", "go:link.pkghashbytes.runtime/x"
	_, err := Close(hostWith(t, a, c, x, "lib/a.F", "lib/c.G", "type:lib/c.T"), packages, "example.com/m")
	if unslim := (*Unslim)(nil); !errors.As(err, &unslim) || !strings.Contains(err.Error(), "the host lacks runtime/x.X") {
		t.Errorf("without a function of the runtime: %v", err)
	}
	_, err = Close(newTestHost().open(t), packages, "example.com/m")
	if unslim := (*Unslim)(nil); !errors.As(err, &unslim) || !strings.Contains(err.Error(), "no plugin support") {
		t.Errorf("a host that loads no plugins: %v", err)
	}
	pie := newTestHost()
	pie.kind = elf.ET_DYN
	if why := pie.open(t).Unfit(); !strings.Contains(why, "position-independent") {
		t.Errorf("a position-independent host: %q", why)
	}
}
