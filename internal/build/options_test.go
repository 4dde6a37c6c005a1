package build

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sohost/sohost/internal/slim"
)

func TestDefaults(t *testing.T) {
	here := must(os.Getwd())
	self := fmt.Sprintf("/proc/%d/exe", os.Getpid())
	o, err := Options{}.withDefaults()
	if err != nil || o.Dir != here || o.Package != "." || o.Host != self || o.Go != "go" || o.Output != "" || o.PGO != "" ||
		o.Env == nil || o.Log == nil {
		t.Errorf("got %+v, %v", o, err)
	}
	o, err = Options{Dir: "/d", Package: "p", Host: "h", Go: "g", Output: "o/x.so", PGO: "/p/../q", Env: []string{}}.withDefaults()
	if err != nil || o.Dir != "/d" || o.Package != "p" || o.Host != "/d/h" || o.Go != "g" || o.Output != "/d/o/x.so" ||
		o.PGO != "/q" || len(o.Env) != 0 {
		t.Errorf("got %+v, %v", o, err)
	}
	if got := o.defaultOutput("/src/shop"); got != "/d/build/plugins/shop.so" {
		t.Errorf("the default output is %s", got)
	}
}

func TestTarget(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "sub/x.go"), "package main\n")
	write(t, filepath.Join(dir, "README"), "text\n")
	sub := filepath.Join(dir, "sub")
	for name, want := range map[string]target{
		"sub": {sub, "."}, "./sub": {sub, "."}, sub: {sub, "."}, "sub/x.go": {sub, "x.go"}, "example.com/p": {dir, "example.com/p"}, "missing": {dir, "missing"},
	} {
		if got, err := (Options{Dir: dir, Package: name}).target(); got != want || err != nil {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, want)
		}
	}
	for name, want := range map[string]string{
		"./...": "several packages", "sub/...": "several packages", "README": "neither a directory nor a Go file", "./missing": "no directory",
		"../missing": "no directory", "/missing": "no directory", "missing/": "no directory", "missing.go": "no directory",
	} {
		_, err := Options{Dir: dir, Package: name}.target()
		if r := refusal(t, err, ErrPackage); !strings.Contains(r.Reason, want) {
			t.Errorf("%s: got %q, want %q", name, r.Reason, want)
		}
	}
	for _, name := range []string{".", ".."} {
		if !looksLikeFile(name) {
			t.Errorf("%s doesn't look like a file", name)
		}
	}
}

func TestBuildEnv(t *testing.T) {
	other := map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
	f := buildFlags{rest: "-mod=mod"}
	native := buildEnv([]string{"A=1"}, goEnv{}, f, host{goos: "linux", goarch: runtime.GOARCH, env: []string{"GOAMD64=v3"}})
	want := []string{"A=1", "GOFLAGS=-mod=mod", "CGO_ENABLED=1", "GOOS=linux", "GOARCH=" + runtime.GOARCH, "GOAMD64=v3"}
	if diff := cmp.Diff(want, native); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	cross := buildEnv([]string{"CC="}, goEnv{}, f, host{goos: "linux", goarch: other})
	if !slices.Contains(cross, "CC="+crossPrefix[other]+"gcc") || !slices.Contains(cross, "CXX="+crossPrefix[other]+"g++") {
		t.Errorf("for %s: got %q", other, cross)
	}
	cross = buildEnv([]string{"CC=clang", "CXX=clang++"}, goEnv{}, f, host{goos: "linux", goarch: other})
	if slices.ContainsFunc(cross, func(kv string) bool { return strings.HasSuffix(kv, "gcc") || strings.HasSuffix(kv, "-g++") }) {
		t.Errorf("with compilers of its own: got %q", cross)
	}
}

func TestCheckToolchain(t *testing.T) {
	if err := checkToolchain(goEnv{GOVERSION: "go1.26.8 X:nodwarf5"}, host{toolchain: "go1.26.8"}); err != nil {
		t.Error(err)
	}
	for toolchain, want := range map[string]string{"go1.26.8": "set GOTOOLCHAIN=go1.26.8 for the build, or build the host with go1.26.9", "devel": "same go command"} {
		r := refusal(t, checkToolchain(goEnv{GOVERSION: "go1.26.9"}, host{toolchain: toolchain}), ErrToolchain)
		if r.Want != toolchain || r.Found != "go1.26.9" || !strings.Contains(r.Remedy, want) {
			t.Errorf("got %v, want %q", r, want)
		}
	}
	for version, want := range map[string]string{"go1.26": "go1.26", "go1.26 X:a,b": "go1.26", "go1.26-X:a": "go1.26"} {
		if got := release(version); got != want {
			t.Errorf("%s: got %s", version, got)
		}
	}
}

func TestListRefusal(t *testing.T) {
	for output, want := range map[string]struct {
		kind           error
		reason, remedy string
	}{
		"go: go.mod file not found in current directory\n":                                      {ErrPackage, "/d/p belongs to no module", "run `go mod init"},
		"directory p outside main module or its selected dependencies":                          {ErrPackage, "/d/p belongs to no module", "run `go mod init"},
		"directory prefix . does not contain main module":                                       {ErrPackage, "/d/p belongs to no module", "run `go mod init"},
		"directory . outside available modules":                                                 {ErrPackage, "/d/p belongs to no module", "run `go mod init"},
		"no Go files in /d/p":                                                                   {ErrPackage, "no Go files in /d/p", "name the directory that holds"},
		"package p: build constraints exclude all Go files in /d/p":                             {ErrPackage, "package p: build constraints", "name the directory that holds"},
		"go: go.mod requires go >= 1.99 (running go 1.26)":                                      {ErrToolchain, "go.mod requires go >= 1.99", "lower the go line"},
		"go: toolchain not available":                                                           {ErrToolchain, "toolchain not available", "lower the go line"},
		"package p is not in std (/usr/local/go/src/p)":                                         {ErrPackage, "there is no package or directory p", "name the directory of"},
		"directory . is contained in a module that is not one of the modules listed in go.work": {ErrPackage, "directory .", "GOWORK=off"},
		"errors parsing go.work:\ngo.work:5: syntax error":                                      {ErrWorkspace, "errors parsing go.work:\ngo.work:5", "GOWORK=off"},
		"cannot load module nothere listed in go.work file: open nothere/go.mod":                {ErrWorkspace, "cannot load module nothere", "GOWORK=off"},
		"go: no modules were found in the current workspace; see 'go help work'":                {ErrWorkspace, "go.work lists no module", "go work use"},
		"errors parsing go.mod:\ngo.mod:1: unknown directive: modul":                            {ErrPackage, "errors parsing go.mod:", "mend that file"},
		"go: something else\n":                                                                  {ErrPackage, "something else", "name the directory of"},
	} {
		r := refusal(t, listRefusal(target{"/d", "p"}, output), want.kind)
		if !strings.HasPrefix(r.Reason, want.reason) || !strings.Contains(r.Remedy, want.remedy) {
			t.Errorf("%q: got %v", output, r)
		}
	}
}

func TestListingCheck(t *testing.T) {
	same := func(s string) string { return s }
	app := func() *listed { return &listed{ImportPath: "example.com/app", Name: "main", GoFiles: []string{"x.go"}} }
	check := func(l *listing) error { return l.check(target{"/d", "."}, same) }
	good := app()
	if err := check(&listing{main: good, all: []*listed{good}}); err != nil {
		t.Error(err)
	}
	bad := app()
	bad.Error = &listedError{Pos: "x.go:1:2", Err: "bad"}
	dep := &listed{Error: &listedError{Err: "worse"}}
	err := check(&listing{main: bad, all: []*listed{dep, bad}})
	if ce := (*CompileError)(nil); !errors.As(err, &ce) || ce.Output != "worse\nx.go:1:2: bad" {
		t.Errorf("got %v", err)
	}
	cycle := &listed{Error: &listedError{ImportStack: []string{"example.com/app", "example.com/a", "example.com/b", "example.com/a"},
		Err: "import cycle not allowed"}}
	err = check(&listing{main: good, all: []*listed{cycle, good}})
	want := "package example.com/app\n\timports example.com/a\n\timports example.com/b\n\timports example.com/a: import cycle not allowed"
	if ce := (*CompileError)(nil); !errors.As(err, &ce) || ce.Output != want {
		t.Errorf("got %v, want %s", err, want)
	}
	none := &listed{ImportPath: "example.com/app", Error: &listedError{Err: "no Go files in /d"}}
	refusal(t, check(&listing{main: none, all: []*listed{none}}), ErrPackage)
}

func TestRelative(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "p/x.go"), "package p\n")
	s := &surveyed{target: target{dir: filepath.Join(dir, "p")}, base: dir}
	for text, want := range map[string]string{
		"./x.go:1:2: bad":                          "p/x.go:1:2: bad",
		"x.go:1: bad\n\tx.go:3: (x.go:4)":          "p/x.go:1: bad\n\tp/x.go:3: (p/x.go:4)",
		filepath.Join(dir, "p/x.go") + ":7:1: bad": "p/x.go:7:1: bad",
		"missing.go:1: bad":                        "missing.go:1: bad",
		"x.go: no line":                            "x.go: no line",
	} {
		if got := s.relative(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if got := shorter("/a/b", "/long/way/from/there"); got != "/a/b" {
		t.Errorf("got %s", got)
	}
}

func TestProgress(t *testing.T) {
	var got bytes.Buffer
	c := goCommand{log: &got, packages: map[string]bool{"example.com/p": true, "fmt": true}}
	c.compiling = func(path string) { fmt.Fprintln(&got, path) }
	w := &progressWriter{line: c.progress}
	for _, part := range []string{"go: down", "loading x v1\nexample.com/p", "\n# example.com/p\nx.go:1: bad\noops\n", "fmt\nno line break"} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("wrote %d of %d bytes, %v", n, len(part), err)
		}
	}
	if want := "go: downloading x v1\nexample.com/p\nfmt\n"; got.String() != want {
		t.Errorf("got %q, want %q", got.String(), want)
	}
}

func TestTrees(t *testing.T) {
	own := &listedModule{Path: "example.com/app", Dir: "/src", Main: true}
	main := &listed{Dir: "/src/app", Module: own}
	downloaded := &listedModule{Path: "example.com/dep", Version: "v1.0.0", Dir: "/src/app/.go/pkg/mod/example.com/dep@v1.0.0"}
	vendored := &listedModule{Path: "example.com/dep", Version: "v1.0.0"}
	vendoredCopy := &listedModule{Path: "example.com/dep", Version: "v1.0.0", Replace: &listedModule{Path: "../dep"}}
	byHand := &listedModule{Path: "example.com/dep", Dir: "/src/app/dep", Version: "v1.0.0", Replace: &listedModule{Path: "./dep"}}
	fork := &listedModule{Path: "example.com/dep", Dir: "/src/app/.go/pkg/mod/example.com/fork@v1.0.0", Version: "v1.0.0",
		Replace: &listedModule{Path: "example.com/fork", Version: "v1.0.0"}}
	workspace := &listedModule{Path: "example.com/lib", Dir: "/src/app/lib", Main: true}
	for _, test := range []struct {
		dir    string
		module *listedModule
		want   bool
	}{
		{"/src/app", own, true}, {"/src/app/own", own, true}, {"/src/application", own, false}, {"/src", own, false},
		{"/src/app/vendor/example.com/dep", vendored, false}, {"/src/app/vendor/example.com/dep", vendoredCopy, false},
		{"/src/app/.go/pkg/mod/example.com/dep@v1.0.0/x", downloaded, false}, {"/src/app/.go/pkg/mod/example.com/fork@v1.0.0", fork, false},
		{"/src/app/dep/x", byHand, true}, {"/src/app/lib/x", workspace, true}, {"/src/lib", workspace, false}, {"/src/app/x", nil, false},
	} {
		if got := ownTree(&listed{Dir: test.dir, Module: test.module}, main, main.Dir); got != test.want {
			t.Errorf("%s of %v: got %t", test.dir, test.module, got)
		}
	}
	if !ownTree(&listed{Dir: "/src/app/x"}, &listed{Dir: "/src/app"}, "/src/app") {
		t.Error("without modules, a package below is not the plugin's own")
	}
	if !within("/a", "/a") || !within("/a/b", "/a/") || !within("/a/b", "/") || within("/ab", "/a") {
		t.Error("within is wrong about /a, / or /ab")
	}
	cached := &listed{Dir: "/cache/m@v1/p", Module: &listedModule{Path: "m"}}
	if !immutable(cached, "/cache") || immutable(cached, "") || immutable(cached, "/other") {
		t.Error("a package is immutable exactly when it is in the module cache")
	}
	if immutable(&listed{Dir: "/cache/p"}, "/cache") || immutable(&listed{Dir: "/cache/p", Module: &listedModule{Main: true}}, "/cache") {
		t.Error("packages without a module, or of the main module, may change")
	}
}

func TestRefusalText(t *testing.T) {
	for want, r := range map[string]Refusal{
		"unusable host: broken":                            {Kind: ErrHost, Reason: "broken"},
		"unusable host: broken; mend it":                   {Kind: ErrHost, Reason: "broken", Remedy: "mend it"},
		"unusable host: broken (want a, found nothing)":    {Kind: ErrHost, Reason: "broken", Want: "a"},
		"unusable host: broken (want nothing, found b)":    {Kind: ErrHost, Reason: "broken", Found: "b"},
		"unusable host: broken (want a, found b); mend it": {Kind: ErrHost, Reason: "broken", Want: "a", Found: "b", Remedy: "mend it"},
	} {
		if got := r.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if err := error(&CompileError{Package: "p", Output: "x"}); err.Error() != "compile p:\nx" || !errors.Is(err, ErrCompile) || errors.Is(err, ErrImage) {
		t.Errorf("got %v", err)
	}
}

func TestNames(t *testing.T) {
	for path, want := range map[string]string{
		"fmt": "fmt", "gopkg.in/yaml.v3": "gopkg.in/yaml%2ev3", "a.b/c": "a.b/c", "a b": "a%20b", `a"b%`: "a%22b%25", "ä": "%c3%a4", "a\x7f": "a%7f",
	} {
		if got := slim.Escape(path); got != want {
			t.Errorf("%q: got %s, want %s", path, got, want)
		}
	}
	for value, want := range map[string]string{"": `""`, "plain": "plain", "a b": `"a b"`, "a\"b": `"a\"b"`, "`": "\"`\""} {
		if got := settingValue(value); got != want {
			t.Errorf("%q: got %s, want %s", value, got, want)
		}
	}
	if _, err := shortID("elevenchars/0123456789ab"); err == nil {
		t.Error("a short id was accepted")
	}
}
