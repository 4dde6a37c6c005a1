package instance

import (
	"bytes"
	"runtime/pprof"
	"testing"
)

// TestCountGoroutines counts goroutines of this package, which stands for an old image's, in a profile of this process.
func TestCountGoroutines(t *testing.T) {
	const here = "github.com/sohost/sohost/internal/instance"
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
