package native

import (
	"runtime/debug"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// isolatedInfo returns the facts of an isolated image with private packages.
func isolatedInfo(path string, private ...string) *Info {
	i := &Info{Path: path, PluginPath: path + "_g0123456789ab", Packages: map[string]string{"fmt": "00"}, Seal: &Seal{Private: private}}
	for _, p := range private {
		i.Packages[p] = "00"
	}
	return i
}

const (
	metricsPkg = "example.com/metrics.v2/core_gabcdefghijkl"
	otherPkg   = "example.com/other_gabcdefghijkl"
)

func TestSharedPrivate(t *testing.T) {
	a, b := isolatedInfo("example.com/a", metricsPkg, otherPkg), isolatedInfo("example.com/b", "example.com/metrics.v2/core_gother0000000", otherPkg)
	if diff := cmp.Diff([]string{"example.com/other"}, SharedPrivate(a, b)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := SharedPrivate(a, a); got != nil {
		t.Errorf("an image shares %q with itself", got)
	}
}

// TestSharedAmong has packages that two images and three have, one that two versions of have the path of, and one image twice.
func TestSharedAmong(t *testing.T) {
	a, b := isolatedInfo("example.com/a", metricsPkg, otherPkg), isolatedInfo("example.com/b", metricsPkg, otherPkg)
	c := isolatedInfo("example.com/c", "example.com/alone_gabcdefghijkl", "example.com/metrics.v2/core_gother0000000", otherPkg)
	want := []Shared{{[]int{1, 3}, []string{"example.com/metrics.v2/core"}}, {[]int{1, 3, 4, 5}, []string{"example.com/other"}}}
	if diff := cmp.Diff(want, SharedAmong([]*Info{nil, a, {Path: "unsealed"}, b, c, c})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFindCollision(t *testing.T) {
	const stack = "goroutine 1 [running]:\nruntime/debug.Stack()\n\t/go/stack.go:26\nexample.com/other_gabcdefghijkl.recovers()\n\t/o.go:1\n" +
		"panic({0x1, 0x2})\n\t/go/panic.go:1\nlog.Panic(...)\n\t/go/log.go:1\n" +
		"example.com/metrics.v2/core_gabcdefghijkl.(*Registry).MustRegister(0x1, {0x2/*x*/})\n\t/m.go:1\nexample.com/other_gabcdefghijkl.F[...]()\n\t/o.go:2\n"
	image := isolatedInfo("example.com/a", metricsPkg, otherPkg)
	image.Deps = []*debug.Module{{Path: "example.com/metrics.v2", Replace: &debug.Module{Path: "../fork"}}, {Path: "example.com/other"}}
	first, last := isolatedInfo("example.com/first", metricsPkg), isolatedInfo("example.com/last", metricsPkg)
	without := isolatedInfo("example.com/without", otherPkg)
	others := []*Info{first, last, without}
	want := &Collision{Package: "example.com/metrics.v2/core", Pattern: "example.com/metrics.v2/...", With: "example.com/last"}
	if diff := cmp.Diff(want, findCollision("Duplicate metrics collector", []byte(stack), image, others)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if text := want.String(); !strings.Contains(text, "//sohost:fresh example.com/metrics.v2/... into its package main") {
		t.Errorf("got %s", text)
	}
	if c := findCollision("name m is taken", []byte(stack), image, others); c == nil {
		t.Error("a registry of one's own has other words")
	}
	if c := findCollision("index out of range", []byte(stack), image, others); c != nil {
		t.Errorf("another panic: %v", c)
	}
	if c := findCollision("duplicate", []byte(stack), image, []*Info{without, image}); c != nil {
		t.Errorf("nobody shares the package: %v", c)
	}
	image.Seal = nil
	if c := findCollision("duplicate", []byte(stack), image, others); c != nil {
		t.Errorf("a plain image: %v", c)
	}
	for line, want := range map[string]string{
		"example.com/p.F(...)": "example.com/p", "gopkg.in/yaml%2ev3.(*T).M(0x1)": "gopkg.in/yaml.v3", "main.main()": "main",
		"a/b.F[go.shape.struct { a/c.T }](0x1)": "a/b", "created by a/b.F in goroutine 1": "created by a/b", "": "", "(": "",
	} {
		if got := functionPackage(line); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}
