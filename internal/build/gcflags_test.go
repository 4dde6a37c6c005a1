package build

import (
	"strings"
	"testing"
)

// TestGcflags applies the go command's rule, that the last matching pattern counts, to see which mark each package gets.
func TestGcflags(t *testing.T) {
	p := testPlan()
	p.Main = "example.com/app/plugin"
	plain, fresh, c := mark{rolePrivate, ""}, mark{roleFresh, "0f"}, mark{rolePrivate, "0c"}
	p.marks = map[string]mark{
		"example.com/app/plugin": fresh, "example.com/app/plugin/own": fresh, "example.com/app/sub": plain, "example.com/app/c": c,
		"example.com/lib": plain, "example.com/lib/a": plain, "example.com/lib/v2": fresh, "example.com/lib/v2/b": fresh,
		"text/mine": plain, abiPath: {roleShared, "dir"}, abiModule + "/abi/x": plain, abiModule + "/abi/y": plain,
	}
	p.modules = map[string]string{
		"example.com/app/plugin": "example.com/app", "example.com/app/plugin/own": "example.com/app", "example.com/app/sub": "example.com/app",
		"example.com/app/c": "example.com/app", "example.com/lib": "example.com/lib", "example.com/lib/a": "example.com/lib",
		"example.com/lib/v2": "example.com/lib/v2", "example.com/lib/v2/b": "example.com/lib/v2", "text/mine": "text",
		abiModule + "/abi/x": abiModule, abiModule + "/abi/y": abiModule,
	}
	flags := p.gcflags("-N", "-N", "-l")
	given := func(path string) string {
		got := ""
		for _, f := range flags {
			pattern, value, _ := strings.Cut(strings.TrimPrefix(f, "-gcflags="), "=")
			standard := path == "text/template" || path == "fmt" || path == "runtime/cgo"
			if pattern == "all" || pattern == "std" && standard || pattern != "std" && wildcard(pattern)(path) {
				got = value
			}
		}
		return got
	}
	for path, m := range p.marks {
		want := m.String() + " -N"
		if path == p.Main {
			want += " -l"
		}
		if got := given(path); got != want {
			t.Errorf("%s gets %q, want %q", path, got, want)
		}
	}
	for _, path := range []string{"text/template", "fmt", "runtime/cgo"} {
		if got := given(path); got != "-N" {
			t.Errorf("%s gets %q", path, got)
		}
	}
	if last := flags[len(flags)-1]; !strings.HasPrefix(last, "-gcflags=example.com/app/plugin=") {
		t.Errorf("the last is %q", last)
	}
}
