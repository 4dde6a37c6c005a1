package build

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// memoFixture is a plugin of which nothing is remembered yet.
func memoFixture(t *testing.T) (*fixture, func() Options) {
	t.Helper()
	env := testEnv()
	if os.Getenv("GOCACHE") == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		env = append(env, "GOCACHE="+filepath.Join(dir, "go-build")) // it lies where that says, too
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	f := unpack(t, "versions")
	f.edit("plugin/main.go", `"context"`, "\"context\"\n\t_ \"embed\"")
	f.edit("plugin/main.go", "func main()", "//go:embed data d*/*.txt\nvar x string\n\nfunc main()")
	f.edit("plugin/main.go", "var x string", "var x embed.FS")
	f.edit("plugin/main.go", `_ "embed"`, `"embed"`)
	write(t, filepath.Join(f.dir, "plugin/data/x.txt"), "x")
	noError(t, os.Mkdir(filepath.Join(f.dir, "plugin/docs"), 0o755))
	output := filepath.Join(t.TempDir(), "plugin.so")
	return f, func() Options {
		o := f.options("./plugin")
		o.Env, o.Output = env, output
		return o
	}
}

// surveyOf surveys the plugin, and reports whether that relied on memory.
func surveyOf(t *testing.T, opts Options) *surveyed {
	t.Helper()
	opts, err := opts.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	h, err := readHost(opts.Host)
	if err != nil {
		t.Fatal(err)
	}
	s, err := survey(context.Background(), opts, h)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// learn surveys until the answer is remembered. It isn't at first, since the sources are too new.
func learn(t *testing.T, options func() Options) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !surveyOf(t, options()).remembered; {
		if time.Now().After(end) {
			t.Fatal("nothing is remembered")
		}
	}
}

// TestMemo changes what the packages of a plugin consist of in every way, one after the other. What could change the go command's answer
// has it asked again.
func TestMemo(t *testing.T) {
	f, options := memoFixture(t)
	main := filepath.Join(f.dir, "plugin/main.go")
	env := func(kv string) func() Options {
		return func() Options {
			o := options()
			o.Env = append(slices.Clone(o.Env), kv)
			return o
		}
	}
	for _, test := range []struct {
		name       string
		change     func()
		options    func() Options
		remembered bool
	}{
		{"nothing", func() {}, options, true},
		{"a line of code", func() { f.edit("plugin/main.go", "func main()", "var y = 1\n\nfunc main()") }, options, true},
		{"a touched file", func() { noError(t, os.Chtimes(main, time.Now(), time.Now())) }, options, true},
		{"a test", func() { write(t, filepath.Join(f.dir, "plugin/main_test.go"), "package main\n") }, options, true},
		{"an import", func() { f.edit("plugin/main.go", `"embed"`, "\"embed\"\n\t_ \"sort\"") }, options, false},
		{"a build tag", func() { f.edit("plugin/main.go", "package main", "//go:build linux\n\npackage main") }, options, false},
		{"a file", func() { write(t, filepath.Join(f.dir, "plugin/more.go"), "package main\n") }, options, false},
		{"a file less", func() { noError(t, os.Remove(filepath.Join(f.dir, "plugin/more.go"))) }, options, false},
		{"an embedded file", func() { write(t, filepath.Join(f.dir, "plugin/data/deep/y.txt"), "y") }, options, false},
		{"the content of an embedded file", func() { write(t, filepath.Join(f.dir, "plugin/data/x.txt"), "other") }, options, true},
		{"a file that a pattern matches", func() { write(t, filepath.Join(f.dir, "plugin/docs/x.txt"), "x") }, options, false},
		{"what is embedded", func() { f.edit("plugin/main.go", "//go:embed data d*/*.txt", "//go:embed data/x.txt") }, options, false},
		{"a line of a package that it imports", func() { f.edit("sub/sub.go", `"a"`, `"b"`) }, options, true},
		{"an import of a package that it imports", func() { f.edit("sub/sub.go", "package sub", "package sub\n\nimport _ \"sort\"") }, options, false},
		{"go.mod", func() { f.edit("go.mod", "go 1.", "// text\ngo 1.") }, options, false},
		{"a workspace file", func() { write(t, filepath.Join(filepath.Dir(f.dir), "go.work"), "go 1.26\n") }, options, false},
		{"tags", func() {}, env("GOFLAGS=-mod=mod -tags=other"), false},
		{"another variable", func() {}, env("EDITOR=vi"), true},
	} {
		learn(t, options)
		test.change()
		if got := surveyOf(t, test.options()).remembered; got != test.remembered {
			t.Errorf("%s: remembered is %t", test.name, got)
		}
	}
}

// TestMemoIsWrong builds although what is remembered lacks a package, and lists one that isn't there.
func TestMemoIsWrong(t *testing.T) {
	long(t)
	_, options := memoFixture(t)
	learn(t, options)
	want, err := Build(context.Background(), options())
	noError(t, err)
	dir, err := os.UserCacheDir()
	noError(t, err)
	files, err := filepath.Glob(filepath.Join(dir, "sohost", "listings", "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	for name, damage := range map[string]func(m *memo){
		"a package is missing": func(m *memo) {
			m.Packages = slices.DeleteFunc(m.Packages, func(p *listed) bool { return filepath.Base(p.ImportPath) == "sub" })
		},
		"a file is missing": func(m *memo) {
			main := m.Packages[len(m.Packages)-1]
			main.GoFiles = append(main.GoFiles, "gone.go")
		},
	} {
		b, err := os.ReadFile(files[0])
		noError(t, err)
		var m memo
		noError(t, json.Unmarshal(b, &m))
		damage(&m)
		b, err = json.Marshal(m)
		noError(t, err)
		write(t, files[0], string(b))
		if got, err := Build(context.Background(), options()); err != nil || got.Image != want.Image {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
		learn(t, options)
	}
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
