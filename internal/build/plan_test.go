package build

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// planOf returns the plan for a build.
func planOf(t *testing.T, opts Options) *plan {
	t.Helper()
	opts, err := opts.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	opts.watch = &stopwatch{} // nobody asks
	_, p, err := prepare(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestModuleCacheBelowThePlugin has the dependencies below the plugin's directory, as some build services do.
func TestModuleCacheBelowThePlugin(t *testing.T) {
	f := unpack(t, "versions")
	cache := strings.TrimSpace(string(must(exec.Command("go", "env", "GOMODCACHE").Output())))
	opts := f.options("./plugin")
	opts.Env = testEnv("GOFLAGS=-mod=mod -modcacherw", "GOMODCACHE="+filepath.Join(f.dir, "plugin/.go/pkg/mod"), "GOSUMDB=off",
		"GOPROXY=file://"+filepath.Join(cache, "cache/download")+","+os.Getenv("GOPROXY"))
	p := planOf(t, opts)
	for path, want := range map[string]role{"gopkg.in/yaml.v3": rolePrivate, "example.com/app/plugin/own": roleFresh, "example.com/lib": rolePrivate} {
		if p.Roles[path] != want {
			t.Errorf("%s is %s, want %s", path, p.Roles[path], want)
		}
	}
	if _, err := os.Stat(filepath.Join(f.dir, "plugin/.go/pkg/mod/gopkg.in/yaml.v3@v3.0.0")); err != nil {
		t.Errorf("the dependency isn't below the plugin: %v", err)
	}
}

// TestHeadersElsewhere changes only a header and a library that pkg-config names: then the package and the plugin are new.
func TestHeadersElsewhere(t *testing.T) {
	f := unpack(t, "cgo")
	f.edit("main.go", "#cgo LDFLAGS:", "#cgo pkg-config: --static outer\n#cgo LDFLAGS:")
	f.edit("main.go", "#include <math.h>", "#include <outer.h>\n#include <math.h>")
	outside := filepath.Join(t.TempDir(), "with space")
	header, library := filepath.Join(outside, "include/outer.h"), filepath.Join(outside, "lib/libouter.a")
	write(t, header, "#include \"deep.h\"\n")
	write(t, filepath.Join(outside, "include/deep.h"), "#define OUTER 1\n")
	write(t, filepath.Join(outside, "include/unused.h"), "#define UNUSED 1\n")
	write(t, library, "1")
	config := script(t, `case "$*" in
"--cflags --static -- outer") echo "'-I`+outside+`/include'" ;;
"--libs --static -- outer") echo "'-L`+outside+`/lib' -louter" ;;
*) exit 1
esac`)
	mark := func() mark {
		opts := f.options(".")
		opts.Env = testEnv("PKG_CONFIG=" + config)
		return planOf(t, opts).marks["example.com/cgoplugin"]
	}
	before := mark()
	write(t, filepath.Join(outside, "include/unused.h"), "#define UNUSED 2\n")
	if mark() != before {
		t.Error("a header that isn't included made a new plugin")
	}
	write(t, filepath.Join(outside, "include/deep.h"), "#define OUTER 2\n")
	second := mark()
	if second == before {
		t.Error("a changed header made no new plugin")
	}
	write(t, library, "2")
	if mark() == second {
		t.Error("a changed library made no new plugin")
	}
	opts := f.options(".")
	opts.Env = testEnv("PKG_CONFIG=" + config)
	if dirs := must(Sources(context.Background(), opts)); !strings.Contains(strings.Join(dirs, "\n"), outside+"/include") {
		t.Errorf("the header's directory is not among the sources: %q", dirs)
	}
}

func TestFreshDirective(t *testing.T) {
	f := unpack(t, "versions")
	f.edit("plugin/main.go", "func main() {}", "//sohost:fresh gopkg.in/... ../sub\n\nfunc main() {}\n\nvar text = `\n//sohost:fresh example.com/lib\n`")
	p := planOf(t, f.options("./plugin"))
	for path, want := range map[string]role{"gopkg.in/yaml.v3": roleFresh, "example.com/app/sub": roleFresh, "example.com/lib": rolePrivate} {
		if p.Roles[path] != want {
			t.Errorf("%s is %s, want %s", path, p.Roles[path], want)
		}
	}
	for from, want := range map[string]string{"fresh gopkg.in/yam": "matches no package", "fresh fmt": "matches no package", "fresh": "is no directive", "frsh x": "is no directive"} {
		g := unpack(t, "versions")
		g.edit("plugin/main.go", "func main() {}", "//sohost:"+from+"\nfunc main() {}")
		_, err := Build(context.Background(), g.options("./plugin"))
		if r := refusal(t, err, ErrPackage); !strings.Contains(r.Reason, want) {
			t.Errorf("%s: got %v, want %q", from, r, want)
		}
	}
}

func TestDependencies(t *testing.T) {
	rules := "-: /a/x.h \\\n /with\\ space/y.h z\\#.h $$a.h\nx.o: x.c \\\n\ny.o:"
	if diff := cmp.Diff([]string{"/a/x.h", "/with space/y.h", "z#.h", "$a.h", "x.c"}, dependencies([]byte(rules))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzDependencies(f *testing.F) {
	f.Add([]byte("-: /a/x.h \\\n /with\\ space/y.h z\\#.h\nx.o: x.c\n"))
	f.Fuzz(func(t *testing.T, rules []byte) {
		for _, name := range dependencies(rules) {
			if name == "" || strings.HasSuffix(name, ":") {
				t.Errorf("%q has the name %q", rules, name)
			}
		}
	})
}
