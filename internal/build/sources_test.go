package build

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSources(t *testing.T) {
	f := unpack(t, "versions")
	f.edit("plugin/main.go", `"context"`, "\"context\"\n\t_ \"embed\"")
	f.edit("plugin/main.go", "func main()", "//go:embed data/x.txt more?/*.txt\nvar x embed.FS\n\nfunc main()")
	f.edit("plugin/main.go", `_ "embed"`, `"embed"`)
	write(t, filepath.Join(f.dir, "plugin/data/x.txt"), "x")
	write(t, filepath.Join(f.dir, "plugin/more1/x.txt"), "x")
	for _, dir := range []string{"more2", "data/deep"} { // empty still
		noError(t, os.Mkdir(filepath.Join(f.dir, "plugin", dir), 0o755))
	}
	f.edit("sub/sub.go", `"a"`, "undefined") // the sources need not be right
	dirs := func(pkg string) []string {
		t.Helper()
		found, err := Sources(context.Background(), f.options(pkg))
		if err != nil {
			t.Fatal(err)
		}
		var inside []string // without abi's directory, which lies elsewhere
		for _, d := range found {
			if rel, err := filepath.Rel(f.dir, d); err == nil && !strings.HasPrefix(rel, "..") {
				inside = append(inside, rel)
			}
		}
		return inside
	}
	if diff := cmp.Diff([]string{".", "lib", "plugin", "plugin/data", "plugin/data/deep", "plugin/more1", "plugin/more2", "plugin/own", "sub"}, dirs("./plugin")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	f.edit("plugin/main.go", `"embed"`, "\"embed\"\n\t_ \"example.com/app/plugin/later\"")
	if later := "plugin/later"; !slices.Contains(dirs("./plugin"), later) {
		t.Errorf("%s, which is imported, isn't among %q", later, dirs("./plugin"))
	}
}

// TestStandardLibraryIsCompiledOnce does an ordinary build first. An isolated image must use the same compiled standard library;
// otherwise the first image would take a minute, and so would the first after each update.
func TestStandardLibraryIsCompiledOnce(t *testing.T) {
	f := unpack(t, "versions")
	cmd := exec.Command("go", "build", "-trimpath", "-buildmode=plugin", "-o", os.DevNull, "./plugin")
	cmd.Dir, cmd.Env = f.dir, testEnv()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	opts := f.options("./plugin")
	var log bytes.Buffer
	opts.Verbose, opts.Log = true, &log
	f.edit("plugin/main.go", "first", time.Now().String()) // or else the cache of an earlier run may have it all
	f.buildWith(opts)
	if !strings.Contains(log.String(), "example.com/app/plugin\n") {
		t.Errorf("the log doesn't name the plugin: %q", log.String())
	}
	for line := range strings.Lines(log.String()) {
		if first, _, _ := strings.Cut(line, "/"); !strings.Contains(first, ".") {
			t.Errorf("compiled again: %s", line)
		}
	}
}
