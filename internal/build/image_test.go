package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestVersions loads a plugin's generations beside each other and beside a host that has packages of the same paths.
func TestVersions(t *testing.T) {
	f := unpack(t, "versions")
	first := f.build("./plugin")
	checkSealed(t, first)
	f.edit("sub/sub.go", `"a"`, `"b"`)
	f.edit("go.mod", "=> gopkg.in/yaml.v3 v3.0.0", "=> gopkg.in/yaml.v3 v3.0.1")
	f.edit("plugin/main.go", "first", "second")
	second := f.build("./plugin")
	f.edit("go.mod", "=> gopkg.in/yaml.v3 v3.0.1", "=> gopkg.in/yaml.v3 v3.0.0")
	f.edit("plugin/main.go", "second", "third")
	f.edit("lib/lib.go", "n++", "n += 10")
	third := f.build("example.com/app/plugin")

	want := []string{
		"first sub=a yaml=v3.0.0 own=1 lib=1",
		"second sub=b yaml=v3.0.1 own=1 lib=2",
		"third sub=b yaml=v3.0.0 own=1 lib=10",
		"first sub=a yaml=v3.0.0 own=2 lib=3",
	}
	if diff := cmp.Diff(want, load(t, first, second, third, "0")); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

// TestFreshAndNotFresh reverses the defaults that TestVersions shows: which packages generations share.
func TestFreshAndNotFresh(t *testing.T) {
	long(t)
	f := unpack(t, "versions")
	for _, test := range []struct {
		name            string
		fresh, notFresh []string
		directive       string
		second          string
	}{
		{"fresh", []string{"example.com/lib/..."}, nil, "", "second sub=a yaml=v3.0.0 own=1 lib=1"},
		{"not fresh", nil, []string{"./plugin/..."}, "", "second sub=a yaml=v3.0.0 own=2 lib=2"},
		{"directive", nil, nil, "//sohost:fresh example.com/lib/... ../sub\n", "second sub=a yaml=v3.0.0 own=1 lib=1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f.edit("plugin/main.go", "func main() {}", test.directive+"func main() {}")
			defer func() { f.edit("plugin/main.go", test.directive+"func main() {}", "func main() {}") }()
			build := func() string {
				opts := f.options("./plugin")
				opts.Fresh, opts.NotFresh = test.fresh, test.notFresh
				return f.buildWith(opts).Output
			}
			first := build()
			f.edit("plugin/main.go", `"first"`, `"second"`)
			second := build()
			f.edit("plugin/main.go", `"second"`, `"first"`)
			want := []string{"first sub=a yaml=v3.0.0 own=1 lib=1", test.second}
			if diff := cmp.Diff(want, load(t, first, second)); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
		})
	}
}

// TestMapThatOnlyTheSecondUses has a map in a package that generations share, and in the standard library. The linker leaves out the
// initialisation of maps that an image doesn't use, and the package isn't initialised again when another image does.
func TestMapThatOnlyTheSecondUses(t *testing.T) {
	long(t)
	for _, full := range []bool{false, true} {
		mapThatOnlyTheSecondUses(t, full)
	}
}

func mapThatOnlyTheSecondUses(t *testing.T, full bool) {
	f := unpack(t, "versions")
	entries := ""
	for i := range 50 {
		entries += fmt.Sprintf("%q: %d,", fmt.Sprint(i), i)
	}
	write(t, filepath.Join(f.dir, "lib/table.go"), "package lib\n\nvar table = map[string]int{"+entries+"}\n\nfunc Table(s string) int { return table[s] }\n")
	write(t, filepath.Join(f.dir, "plugin/table.go"), "package main\n\nimport _ \"html/template\"\n\nfunc init() { table = \"none\" }\n\nvar table string\n")
	f.edit("plugin/main.go", "\"first\"", "table")
	build := func() string {
		opts := f.options("./plugin")
		opts.Full = full
		return f.buildWith(opts).Output
	}
	first := build()
	write(t, filepath.Join(f.dir, "plugin/table.go"), "package main\n\nimport (\n\t\"fmt\"\n\t\"html/template\"\n\t\"strings\"\n\n\t\"example.com/lib\"\n)\n\n"+
		"func init() {\n\tvar b strings.Builder\n\tt := template.Must(template.New(\"\").Parse(`<a href={{.}}>`))\n\t_ = t.Execute(&b, \"javascript:x\")\n"+
		"\ttable = fmt.Sprint(lib.Table(\"7\"), b.String())\n}\n\nvar table string\n")
	second := build()
	want := []string{"none sub=a yaml=v3.0.0 own=1 lib=1", "7<a href=#ZgotmplZ> sub=a yaml=v3.0.0 own=1 lib=2"}
	if diff := cmp.Diff(want, load(t, first, second)); diff != "" {
		t.Errorf("full: %t: answers (-want +got):\n%s", full, diff)
	}
}

// TestAssembly also refers to symbols of another package, whose content changes.
func TestAssembly(t *testing.T) {
	f := unpack(t, "asm")
	first := f.build(".")
	f.edit("go.mod", "v2.2.0", "v2.3.0")
	f.edit("v1.5/asm.go", "return 1", "return 2")
	f.edit("cpu/cpu.go", "{3, 4}", "{5, 6}")
	second := f.build(".")
	want := []string{"f2029472328dc033 1 112", "f2029472328dc033 2 130", "f2029472328dc033 1 112"}
	if diff := cmp.Diff(want, load(t, first, second, "0")); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	f.edit("v1.5/asm.go", "import _", "//import _")
	f.edit("main.go", `"asmplugin/v1.5"`, "_ \"asmplugin/cpu\"\n\t\"asmplugin/v1.5\"")
	_, err := Build(context.Background(), f.options("."))
	if ce := (*CompileError)(nil); !errors.As(err, &ce) || !strings.Contains(ce.Output, `add import _ "asmplugin/cpu" to a Go file of this package`) {
		t.Errorf("without the import: %v", err)
	}
}

// TestSegmentio builds a plugin with github.com/segmentio/encoding, whose dependency github.com/segmentio/asm has assembly that
// refers to another of its packages.
func TestSegmentio(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles large packages; TestAssembly does the same with small ones")
	}
	f := unpack(t, "segmentio")
	first := f.build(".")
	f.edit("main.go", "first", "second")
	f.edit("go.mod", "encoding v0.5.3", "encoding v0.5.2")
	second := f.build(".")
	if diff := cmp.Diff([]string{`{"first":"äö"} true`, `{"second":"äö"} true`}, load(t, first, second)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

// TestCgo changes only C code: without isolation each generation would run the C code of the first.
func TestCgo(t *testing.T) {
	f := unpack(t, "cgo")
	library := func() {
		t.Helper()
		for _, args := range [][]string{{"gcc", "-fPIC", "-c", "lib.c"}, {"ar", "rcs", "libanswer.a", "lib.o"}} {
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Dir = filepath.Join(f.dir, "c/lib")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %v\n%s", args, err, out)
			}
		}
	}
	library()
	images := []string{f.build(".")}
	f.edit("answer.c", "return 1", "return 2")
	images = append(images, f.build("."))
	f.edit("c/answer.h", "HEADER 1", "HEADER 3")
	images = append(images, f.build("."))
	f.edit("c/lib/lib.c", "return 1", "return 4")
	library()
	images = append(images, f.build("."))
	f.edit("main.go", "return 1", "return 5")
	images = append(images, f.build("."), "0")

	want := []string{
		"c=1 header=1 lib=1 back=2 2",
		"c=2 header=1 lib=1 back=2 2",
		"c=2 header=3 lib=1 back=2 2",
		"c=2 header=3 lib=4 back=2 2",
		"c=2 header=3 lib=4 back=10 2",
		"c=1 header=1 lib=1 back=2 2",
	}
	if diff := cmp.Diff(want, load(t, images...)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

// TestFeatures uses embed, generics, internal packages and go:linkname in all directions, first with the dependency in its
// own directory and then vendored.
func TestFeatures(t *testing.T) {
	long(t)
	f := unpack(t, "features")
	images := []string{f.build("./plugin")}
	f.edit("plugin/data/text.txt", "embedded", "changed")
	f.edit("plugin/internal/pulled/pulled.go", `"hidden"`, `"HIDDEN"`)
	f.edit("plugin/internal/pulled/pulled.go", `"marked"`, `"MARKED"`)
	f.edit("plugin/internal/pulled/pulled.go", "level = 7", "level = 8")
	f.edit("plugin/internal/pushed/pushed.go", `"pushed"`, `"PUSHED"`)
	images = append(images, f.build("./plugin"))

	cmd := exec.Command("go", "mod", "vendor")
	cmd.Dir, cmd.Env = filepath.Join(f.dir, "plugin"), testEnv()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("vendor: %v\n%s", err, out)
	}
	f.edit("plugin/vendor/example.com/dep/dep.go", `"dep"`, `"vendored"`)
	opts := f.options("./plugin")
	opts.Env = append(os.Environ(), "GOFLAGS=-mod=vendor -ldflags=-X=features.Replaced=yes", "GOWORK=off")
	images = append(images, f.buildWith(opts).Output)

	want := []string{
		"embedded",
		" 2 hidden marked 7 pushed dep no",
		"changed",
		" 2 HIDDEN MARKED 8 PUSHED dep no",
		"changed",
		" 2 HIDDEN MARKED 8 PUSHED vendored yes",
	}
	if diff := cmp.Diff(want, load(t, images...)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

// TestUntrimmedHost builds for a host without -trimpath, which works if both see abi in the same directory.
func TestUntrimmedHost(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the standard library again")
	}
	dir := t.TempDir()
	if err := buildHost(dir); err != nil {
		t.Fatal(err)
	}
	f := unpack(t, "versions")
	opts := f.options("./plugin")
	opts.Host = filepath.Join(dir, "host")
	image := f.buildWith(opts).Output
	out, err := exec.Command(opts.Host, image).CombinedOutput()
	if want := "first sub=a yaml=v3.0.0 own=1 lib=1\n"; err != nil || string(out) != want {
		t.Errorf("got %q, %v, want %q", out, err, want)
	}
}

// TestGob moves gob data with interface values from one generation to the next. The names of types carry the build's id there. A name
// without it would be worse: package gob belongs to all generations and takes each name once.
func TestGob(t *testing.T) {
	if testing.Short() {
		t.Skip("proves what docs/isolation.md says about packages of Go")
	}
	recipe := string(must(os.ReadFile("testdata/gob/names.go")))
	recipe = recipe[strings.Index(recipe, "// current"):]
	if !strings.Contains(string(must(os.ReadFile("../../docs/isolation.md"))), recipe) {
		t.Error("docs/isolation.md shows another function than testdata/gob/names.go")
	}
	f := unpack(t, "gob")
	first := f.build(".")
	f.edit("main.go", "generation = 1", "generation = 2")
	want := []string{
		"1 type=main.circle name=circle plain=EOF mended=EOF stable=registered",
		"2 type=main.circle name=circle plain=gob mended=3 stable=panic",
	}
	if diff := cmp.Diff(want, load(t, first, f.build("."))); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}
