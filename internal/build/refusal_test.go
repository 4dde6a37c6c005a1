package build

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sohost/sohost/native"
)

func TestCompileErrorLeavesTheEarlierImage(t *testing.T) {
	f := unpack(t, "versions")
	opts := f.options("./plugin")
	before := f.buildWith(opts)
	f.edit("plugin/main.go", "lib.Count())", "lib.Count(), lib.Counter{}, undefined)")
	f.edit("sub/sub.go", `"a"`, `"a" + 1`)
	_, err := Build(context.Background(), opts)
	var ce *CompileError
	if !errors.As(err, &ce) || !errors.Is(err, ErrCompile) {
		t.Fatalf("got %v, want compile errors", err)
	}
	for _, want := range []string{"# example.com/app/sub\n", "\nsub/sub.go:3:", "mismatched types"} {
		if !strings.Contains("\n"+ce.Output+"\n", want) {
			t.Errorf("the output doesn't hold %q:\n%s", want, ce.Output)
		}
	}
	f.edit("sub/sub.go", `"a" + 1`, `"a"`)
	_, err = Build(context.Background(), opts)
	if !errors.As(err, &ce) {
		t.Fatalf("got %v, want compile errors", err)
	}
	want := "# example.com/app/plugin\n" +
		"plugin/main.go:22:115: undefined: lib.Counter\nplugin/main.go:22:126: undefined: undefined"
	if diff := cmp.Diff(want, ce.Output); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
	sum, _, err := hashFile(opts.Output)
	if err != nil || hex.EncodeToString(sum) != before.Image {
		t.Errorf("the output is %x, %v now; it was %s", sum, err, before.Image)
	}
}

// TestCompileErrorNames has names in its errors that look like those of a build, and names of packages that only the go command
// knows: they come from the build cache, and package main doesn't import them.
func TestCompileErrorNames(t *testing.T) {
	f := unpack(t, "versions")
	for name, text := range map[string]string{
		"one/same/same.go": "package same\n\ntype T struct{}\n",
		"two/same/same.go": "package same\n\ntype T struct{}\n",
		"one/one.go":       "package one\n\nimport \"example.com/app/one/same\"\n\nfunc F() (t same.T) { return }\n",
		"two/two.go":       "package two\n\nimport \"example.com/app/two/same\"\n\nfunc F(same.T) {}\n",
	} {
		write(t, filepath.Join(f.dir, name), text)
	}
	write(t, filepath.Join(f.dir, "plugin/uses_one.go"), "package main\n\nimport (\n\t\"example.com/app/one\"\n\t\"example.com/app/two\"\n)\n\n"+
		"func use() { two.F(one.F()) }\n")
	write(t, filepath.Join(f.dir, "plugin/models_generated_api.go"), "package main\n\nvar _ = xml_get_next_item\n")
	for range 2 { // the second time all but package main comes from the build cache
		_, err := Build(context.Background(), f.options("./plugin"))
		ce := (*CompileError)(nil)
		if !errors.As(err, &ce) {
			t.Fatalf("got %v, want compile errors", err)
		}
		want := "# example.com/app/plugin\n" +
			"plugin/models_generated_api.go:3:9: undefined: xml_get_next_item\n" +
			"plugin/uses_one.go:8:20: cannot use one.F() (value of struct type \"example.com/app/one/same\".T) as " +
			"\"example.com/app/two/same\".T value in argument to two.F"
		if diff := cmp.Diff(want, ce.Output); diff != "" {
			t.Errorf("output (-want +got):\n%s", diff)
		}
	}
}

// TestSameAgain builds the same sources in two places and twice in one.
func TestSameAgain(t *testing.T) {
	f, g := unpack(t, "cgo"), unpack(t, "cgo")
	f.edit("main.go", "-L${SRCDIR}/c/lib -lanswer -lm", "-lm")
	f.edit("main.go", "C.fromlib()", "1")
	if err := os.WriteFile(filepath.Join(g.dir, "main.go"), must(os.ReadFile(filepath.Join(f.dir, "main.go"))), 0o644); err != nil {
		t.Fatal(err)
	}
	first, second := f.buildWith(f.options(".")), g.buildWith(g.options("."))
	if first.Image != second.Image {
		t.Errorf("the same sources in another directory became another image: %s and %s", first.PluginPath, second.PluginPath)
	}
	before, err := os.Stat(first.Output)
	if err != nil {
		t.Fatal(err)
	}
	opts := f.options(".")
	opts.Output = first.Output
	opts.asked = refusing("link")
	again := f.buildWith(opts)
	after, err := os.Stat(first.Output)
	if err != nil {
		t.Fatal(err)
	}
	if again.Changed || !os.SameFile(before, after) || again.Image != first.Image {
		t.Errorf("the file was written again; changed is %t", again.Changed)
	}
}

// refusing returns what fails when a tool is to run.
func refusing(tool string) func(name string) error {
	return func(name string) error {
		if name == tool {
			return fmt.Errorf("%s was called", name)
		}
		return nil
	}
}

// TestLinkedAgain changes what goes into an image in every way. Each must be noticed, though the earlier image is there.
func TestLinkedAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("links nine times")
	}
	f := unpack(t, "cgo")
	f.edit("main.go", "import (\n\t\"context\"", "import (\n\t\"context\"\n\t_ \"embed\"")
	f.edit("main.go", "func main() {}", "//go:embed text\nvar text string\n\nvar version string\n\nfunc main() {}")
	write(t, filepath.Join(f.dir, "text"), "1")
	f.edit("main.go", "-L${SRCDIR}/c/lib -lanswer -lm", "-lm")
	f.edit("main.go", "C.fromlib()", "1")
	opts := f.options(".")
	first := f.buildWith(opts)
	for name, change := range map[string]func(){
		"source":      func() { f.edit("main.go", "c=%d", "C=%d") },
		"C source":    func() { f.edit("answer.c", "return 1", "return 2") },
		"header":      func() { f.edit("c/answer.h", "HEADER 1", "HEADER 2") },
		"embedded":    func() { write(t, filepath.Join(f.dir, "text"), "2") },
		"-X":          func() { opts.LDFlags = "-X main.version=2" },
		"environment": func() { opts.Env = append(opts.Env, "CGO_CFLAGS=-O1") },
		"dwarf":       func() { opts.DWARF = true },
	} {
		before := must(os.ReadFile(first.Output))
		change()
		if f.buildWith(opts); bytes.Equal(before, must(os.ReadFile(first.Output))) {
			t.Errorf("%s: the image is as it was", name)
		}
		opts.asked = refusing("link")
		f.buildWith(opts)
		opts.asked = nil
	}
	good := must(os.ReadFile(first.Output))
	bad := bytes.Clone(good)
	bad[len(bad)/2] ^= 1
	if err := os.WriteFile(first.Output, bad, 0o644); err != nil {
		t.Fatal(err)
	}
	if r := f.buildWith(opts); !r.Changed || !bytes.Equal(good, must(os.ReadFile(first.Output))) {
		t.Errorf("a damaged image was not made again; changed is %t", r.Changed)
	}
}

// TestAtOnce builds two states of a plugin and another plugin at the same time.
func TestAtOnce(t *testing.T) {
	f, g := unpack(t, "versions"), unpack(t, "versions")
	g.edit("plugin/main.go", "first", "second")
	var images [4]string
	var errs [4]error
	var wg sync.WaitGroup
	for i, opts := range []Options{f.options("./plugin"), g.options("./plugin"), f.options("./plugin"), g.options("./plugin")} {
		wg.Go(func() {
			if i >= 2 { // and the same file
				opts.Output = filepath.Join(filepath.Dir(opts.Output), "1.so")
			}
			r, err := Build(context.Background(), opts)
			if errs[i] = err; err == nil {
				images[i] = r.Output
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	want := []string{"first sub=a yaml=v3.0.0 own=1 lib=1", "second sub=a yaml=v3.0.0 own=1 lib=2"}
	if diff := cmp.Diff(want, load(t, images[0], images[1])); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func TestCancel(t *testing.T) {
	f := unpack(t, "versions")
	opts := f.options("./plugin")
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	ctx, cancel := context.WithTimeout(context.Background(), 400*time.Millisecond)
	defer cancel()
	// A compiler that doesn't end on its own.
	opts.Env = append(opts.Env, "CC="+script(t, "exec sleep 60"))
	f.edit("sub/sub.go", "package sub", "package sub\n\nimport \"C\"")
	start := time.Now()
	_, err := Build(ctx, opts)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	if took := time.Since(start); took > 30*time.Second { // which is less than the compiler takes
		t.Errorf("it took %v to stop", took)
	}
	left, err := filepath.Glob(filepath.Join(tmp, "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := os.Stat(filepath.Dir(opts.Output)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the output's directory: %v", err)
	}
}

func TestRefusedPackages(t *testing.T) {
	f := unpack(t, "versions")
	dir := t.TempDir()
	write(t, filepath.Join(dir, "main.go"), "package main\n\nfunc main() {}\n")
	write(t, filepath.Join(f.dir, "bare/main.go"), "package main\n\nfunc main() {}\n")
	write(t, filepath.Join(f.dir, "README"), "nothing\n")
	if err := os.Mkdir(filepath.Join(f.dir, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, reason := range map[string]string{
		"./sub":             "is a library",
		"./none":            "there is no directory",
		"./empty":           "no Go files",
		"README":            "neither a directory nor a Go file",
		"example.com/other": "cannot find module",
		"strings":           "part of the standard library",
		"./bare":            "doesn't import " + abiPath,
		"./...":             "several packages",
		dir:                 "belongs to no module",
	} {
		t.Run(reason, func(t *testing.T) {
			opts := f.options(name)
			opts.Env = append(opts.Env, "GOPROXY=off")
			_, err := Build(context.Background(), opts)
			if r := refusal(t, err, ErrPackage); !strings.Contains(r.Reason, reason) {
				t.Errorf("got %q, want %q", r.Reason, reason)
			}
		})
	}
}

func TestNoPluginVariable(t *testing.T) {
	f := unpack(t, "versions")
	f.edit("plugin/main.go", "var Plugin = ", "var Plugged = ")
	_, err := Build(context.Background(), f.options("./plugin"))
	if !errors.Is(err, ErrImage) || !errors.Is(err, native.NoSymbol) {
		t.Errorf("got %v, want %v and %v", err, ErrImage, native.NoSymbol)
	}
}

// TestOtherToolchain uses a go command that claims to be another release and fails if it is asked to compile.
func TestOtherToolchain(t *testing.T) {
	f := unpack(t, "versions")
	opts := f.options("./plugin")
	opts.Go = script(t, `case $1 in
env) exec go "$@" | sed 's/"GOVERSION": ".*"/"GOVERSION": "go1.25.1"/' ;;
list) exec go "$@" ;;
*) echo "asked to $1" >&2; exit 1 ;;
esac`)
	_, err := Build(context.Background(), opts)
	r := refusal(t, err, ErrToolchain)
	if r.Found != "go1.25.1" || !strings.HasPrefix(r.Want, "go1.") {
		t.Errorf("want %s, found %s", r.Want, r.Found)
	}
}

func TestHostOf(t *testing.T) {
	info := func(main debug.Module, dep *debug.Module, settings ...string) *debug.BuildInfo {
		i := &debug.BuildInfo{GoVersion: "go1.26.8-X:nodwarf5", Main: main}
		if dep != nil {
			i.Deps = []*debug.Module{dep}
		}
		for _, s := range append(settings, "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=1") {
			k, v, _ := strings.Cut(s, "=")
			i.Settings = append(i.Settings, debug.BuildSetting{Key: k, Value: v})
		}
		return i
	}
	other := debug.Module{Path: "example.com/server"}
	for _, test := range []struct {
		name string
		info *debug.BuildInfo
		dir  string
	}{
		{"main module", info(debug.Module{Path: abiModule, Version: "(devel)"}, nil, "-trimpath=true"), "github.com/sohost/sohost/abi"},
		{"stamped main module", info(debug.Module{Path: abiModule, Version: "v1.2.3+dirty"}, nil, "-trimpath=true"), "github.com/sohost/sohost/abi"},
		{"installed", info(debug.Module{Path: abiModule, Version: "v1.2.3", Sum: "h1:x"}, nil, "-trimpath=true"), "github.com/sohost/sohost@v1.2.3/abi"},
		{"dependency", info(other, &debug.Module{Path: abiModule, Version: "v1.2.3"}, "-trimpath=true"), "github.com/sohost/sohost@v1.2.3/abi"},
		{"replaced", info(other, &debug.Module{Path: abiModule, Version: "v1.2.3", Replace: &debug.Module{Path: "../sohost"}}, "-trimpath=true"), "github.com/sohost/sohost@v1.2.3/abi"},
		{"workspace", info(other, &debug.Module{Path: abiModule, Version: "(devel)"}, "-trimpath=true"), "github.com/sohost/sohost/abi"},
		{"not trimmed", info(other, &debug.Module{Path: abiModule, Version: "v1.2.3"}), ""},
	} {
		h, err := hostOf(test.name, test.info)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if h.abiDir != test.dir || h.toolchain != "go1.26.8" || h.goarch != "arm64" {
			t.Errorf("%s: got %+v, want directory %q", test.name, h, test.dir)
		}
	}
	h, err := hostOf("server", info(debug.Module{Path: abiModule}, nil, "-tags=a,b", "-race=true", "-gcflags=all=-N", "-pgo=/p/x.pgo", "GOARM64=v8.0", "X=y"))
	want := host{toolchain: "go1.26.8", goos: "linux", goarch: "arm64", tags: []string{"a", "b"}, profile: "/p/x.pgo", gcflags: "all=-N",
		flags: []string{"-race=true", "-msan=false", "-asan=false"}, env: []string{"GOARM64=v8.0", "GOEXPERIMENT=nodwarf5", "GOFIPS140=off"}}
	if diff := cmp.Diff(want, h, cmp.AllowUnexported(host{})); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	refused := info(other, nil)
	_, err = hostOf("server", refused)
	refusal(t, err, ErrHost)
	refused = info(debug.Module{Path: abiModule}, nil)
	refused.Settings[len(refused.Settings)-1].Value = "0" // CGO_ENABLED
	_, err = hostOf("server", refused)
	refusal(t, err, ErrHost)
}

func TestHostIsNoGoBinary(t *testing.T) {
	f := unpack(t, "versions")
	opts := f.options("./plugin")
	opts.Host = "go.mod"
	_, err := Build(context.Background(), opts)
	refusal(t, err, ErrHost)
}

// script writes a shell script and returns its name.
func script(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	program(t, dir, "script", text)
	return filepath.Join(dir, "script")
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
