//go:build race && amd64

package native

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// racing is an image with a race. Of the goroutine that was first ThreadSanitizer reads the trace, with the copy of an array in
// it, whose code has a shortened address there. The order of the two comes from a variable of a plugin, which is none to the
// detector.
const racing = `package main
	import ("runtime"; "sync/atomic")
	var sink *[64]int
	var first atomic.Bool
	//go:noinline
	func copied(from *[64]int) *[64]int { to := *from; return &to }
	func Race() int {
		n := new(int)
		go func() { sink = copied(new([64]int)); *n++; first.Store(true) }()
		for !first.Load() { runtime.Gosched() }
		return *n
	}
	func main() {}`

// TestRaceReport runs an image with a race, of which ThreadSanitizer must be able to tell.
func TestRaceReport(t *testing.T) {
	const env = "NATIVE_TEST_RACING"
	if path := os.Getenv(env); path != "" {
		call(t, mustOpen(t, path), "Race")
		return
	}
	t.Parallel()
	dir := t.TempDir()
	if err := write(dir, map[string]string{"go.mod": "module example.com/app\ngo 1.26\n", "racing/racing.go": racing}); err != nil {
		t.Fatal(err)
	}
	if err := buildAll(dir, dir, map[string]string{"racing": "racing.so"}); err != nil {
		t.Fatal(err)
	}
	out, err := runChild(t, env+"="+filepath.Join(dir, "racing.so"))
	if err == nil || !strings.Contains(string(out), "WARNING: DATA RACE") || !strings.Contains(string(out), "racing.Race.func1()") {
		t.Errorf("the child ended with %v and said\n%s", err, out)
	}
}
