package instance

import (
	"bytes"
	"maps"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"

	"github.com/sohost/sohost/native"
)

// TestCountGoroutines counts goroutines of this package, which plays the part of an old image, in a profile of this
// process.
func TestCountGoroutines(t *testing.T) {
	const here = "github.com/sohost/sohost/internal/instance"
	count := func() int { return goroutinesOf(map[string]bool{here: true}) }
	before := count()
	stop, started := make(chan struct{}), make(chan struct{})
	for range 5 { // with the same stack, and one with another: a record covers several goroutines
		go stray(started, stop)
	}
	go func() { stray(started, stop) }()
	for range 6 {
		<-started
	}
	if n := count() - before; n != 6 {
		t.Errorf("%d goroutines are counted, want 6", n)
	}
	close(stop)
	if before < 1 {
		t.Error("the goroutine of this test isn't counted")
	}
}

func stray(started chan<- struct{}, stop <-chan struct{}) {
	started <- struct{}{}
	<-stop
}

// TestOddProfiles counts in profiles that are cut off or have other lines.
func TestOddProfiles(t *testing.T) {
	packages := map[string]bool{"p": true}
	for profile, want := range map[string]int{
		"": 0,
		"goroutine profile: total 9\n3 @ 0x1 0x2\n#\t0x1\tp.f+0x1\tf.go:1\n#\t0x2\tp.g+0x1\tf.go:2\n": 3,
		"2 @ 0x1\n#\t0x1\n\n4 @ 0x2\n#\t0x2\tq.f+0x1\tf.go:1\n\n1 @ 0x3\n#\t0x3\tp.f+0x1\tf.go:1":     1,
		"x @ 0x1\n#\t0x1\tp.f+0x1\tf.go:1\n": 0,
	} {
		if got := countGoroutines(profile, packages); got != want {
			t.Errorf("%q has %d, want %d", profile, got, want)
		}
	}
	if n := goroutinesOf(nil); n != 0 {
		t.Errorf("no package has %d goroutines", n)
	}
}

// TestCosts counts what images cost that are in use, old, or of which the kernel doesn't tell.
func TestCosts(t *testing.T) {
	image := func(path string, memory *native.Memory, packages ...string) openedImage {
		im := openedImage{path: path, memory: memory, info: &native.Info{PluginPath: "main of " + path, Packages: map[string]string{}}}
		for _, p := range packages {
			im.info.Packages[p] = "hash"
		}
		return im
	}
	opened := []openedImage{
		image("a", &native.Memory{Resident: 1}, "host", "shared", "only a"),
		image("b", &native.Memory{Resident: 10}, "host", "shared", "only b", "of old ones"),
		image("c", nil, "of old ones"),
	}
	opened[2].info.Seal = &native.Seal{Slim: true}
	inUse := func(path string) bool { return path == "a" }
	c := costsOf(opened, inUse)
	if c.Images != 2 || c.Weight != fullWeight+1 || c.Resident != 10 || len(c.Memory) != 2 || c.Memory["a"].Resident != 1 || c.Memory["b"].Resident != 10 || c.Goroutines != 0 {
		t.Errorf("the costs are %+v", c)
	}
	program := &native.Info{Packages: map[string]string{"host": "hash"}}
	want := []string{"main of b", "main of c", "of old ones", "only b"}
	if got := slices.Sorted(maps.Keys(oldPackages(program, opened, inUse))); !slices.Equal(got, want) {
		t.Errorf("only old images have %q, want %q", got, want)
	}
	if c := costsOf(nil, inUse); c.Images != 0 || c.Memory != nil {
		t.Errorf("without images they are %+v", c)
	}
}

// FuzzCountGoroutines counts in profiles with any text: names of functions in them are the plugins' own.
func FuzzCountGoroutines(f *testing.F) {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		f.Fatal(err)
	}
	f.Add(profile.String())
	f.Add("goroutine profile: total 3\n2 @ 0x1\n#\t0x1\tp.f+0x1\tx.go:1\n\n1 @\n")
	f.Add("-1 @ 0x1\n#\t0x1\tp.f+0x1\n\n99999999999999999999 @\n#\t0x1\tp.f\n")
	f.Fuzz(func(t *testing.T, profile string) {
		if n := countGoroutines(profile, map[string]bool{"p": true}); n < 0 || n > 0 && !strings.Contains(profile, "p.") {
			t.Errorf("%d goroutines are counted", n)
		}
	})
}
