package sohost

import (
	"bytes"
	"runtime/pprof"
	"testing"
)

// TestCountGoroutines counts goroutines of this package, which stands for an old image's, in a profile of this process.
func TestCountGoroutines(t *testing.T) {
	const here = "github.com/sohost/sohost"
	count := func() int {
		t.Helper()
		var profile bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
			t.Fatal(err)
		}
		return countGoroutines(profile.String(), map[string]bool{here: true})
	}
	before := count()
	stop, started := make(chan struct{}), make(chan struct{})
	for range 5 { // of one stack, and one of another: a record tells of several
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

func TestPackageOf(t *testing.T) {
	for function, want := range map[string]string{
		"main.main+0x1": "main",
		"example.com/p_gj73JenkjHwXf.(*inst).Touch+0x2a":       "example.com/p_gj73JenkjHwXf",
		"example.com/shared%2ev2_gj73JenkjHwXf.Fail.func1+0x1": "example.com/shared.v2_gj73JenkjHwXf",
		"plugin/unnamed-0a1b.init.0+0x3":                       "plugin/unnamed-0a1b",
	} {
		if got := packageOf(function); got != want {
			t.Errorf("%s is of package %s, want %s", function, got, want)
		}
	}
}
