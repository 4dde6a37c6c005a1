package sohost

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/files"
	"golang.org/x/sys/unix"
)

func TestFilesDue(t *testing.T) {
	b := Budget{}.withDefaults()
	for _, test := range []struct {
		open, limit, connections int
		due                      bool
	}{
		{75, 100, 0, false}, {76, 100, 0, true}, {99, 100, 24, false}, {100, 0, 0, false},
	} {
		if got := b.filesDue(files.Usage{Open: test.open, Limit: test.limit}, test.connections); (got != "") != test.due {
			t.Errorf("%+v: %q", test, got)
		}
	}
	if got := (Budget{Files: -1}).filesDue(files.Usage{Open: 100, Limit: 100}, 0); got != "" {
		t.Errorf("without a bound: %q", got)
	}
}

// TestFilesNearLimit leaks files until few can be opened: the host asks for a handover. Files that are open from the beginning are no
// reason, since a new process would have them as well.
func TestFilesNearLimit(t *testing.T) {
	w := newWorld(t)
	w.file("s", "s1")
	o := w.options("s")
	asked := make(chan string, 10)
	connections := 0
	o.Process = &Process{
		Handover:    func(_ context.Context, why string) error { asked <- why; return nil },
		Connections: func() int { return connections },
	}
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	less := was
	less.Cur = uint64(4 * files.Of(0).Open)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &less); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &was)
	r := w.host(o)
	for files.Of(0).Open*100 <= int(less.Cur)*80 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	r.mustDeploy("s2") // files are counted regularly, and whenever a generation has retired
	select {
	case why := <-asked:
		if !strings.Contains(why, "open files besides 0 connections") {
			t.Errorf("asked because of %q", why)
		}
	case <-time.After(time.Minute):
		t.Fatal("no handover is asked for")
	}

	second := newWorld(t)
	second.file("s", "s1")
	o = second.options("s")
	o.Process = &Process{Handover: func(_ context.Context, why string) error { t.Errorf("asked because of %q", why); return nil }}
	r = second.host(o)
	r.mustDeploy("s2")
	eventually(t, "the first has retired", func() bool { return strings.Contains(second.done("Close"), "s1 Close") })
	if !second.logged("many files are open") {
		t.Error("nobody is told")
	}
}
