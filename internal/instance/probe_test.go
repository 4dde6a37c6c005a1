package instance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/pidfd"
	"github.com/sohost/sohost/internal/wall"
)

// In the child of a probe, the test program does what an image of that name would do when it is opened. A variable's
// initializer runs before any init function, such as the one that opens the images.
var _ = actAsImage()

func actAsImage() (none struct{}) {
	if os.Getenv(probeEnv) == "" {
		return
	}
	inside, order, err := awaitOrder()
	if err != nil {
		os.Exit(8)
	}
	images := order.Images
	if len(images) != 1 {
		inside.Report(order.probe())
		os.Exit(0)
	}
	action, file, _ := strings.Cut(filepath.Base(images[0]), "@")
	file = filepath.Join(filepath.Dir(images[0]), file)
	switch action {
	case "exit":
		fmt.Fprintln(os.Stderr, "  the words of an image  ")
		os.Exit(3)
	case "die": // of a lack of memory, or of whatever else ends a goroutine
		done := make(chan struct{})
		go func() { defer close(done); fmt.Fprint(os.Stderr, divide(0)) }()
		<-done
	case "quiet":
		os.Exit(0)
	case "mark": // tells which child it is in
		inside.Report(probeResult{Refused: os.Getenv(markEnv)})
		os.Exit(0)
	case "changes": // who it is
		inside.Report(probeResult{Changed: []Change{{Setting: "GOGC", Old: "100", New: "off"}, {Setting: "user", Old: "0 0 0 0", New: "9 9 9 9"}}})
		os.Exit(0)
	case "talk":
		fmt.Print(strings.Repeat("x", 3*maxOutput))
		os.Exit(1)
	case "hang":
		select {}
	case "stay": // leaves a process in its group behind
		stay(file, false)
		os.Exit(3)
	case "detach": // leaves one that has left its group, and holds the link open
		stay(file, true)
		os.Exit(3)
	case "report": // and does the same after it has reported
		stay(file, true)
		inside.Report(probeResult{Refused: "a reason"})
		os.Exit(0)
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "parent":
		syscall.Kill(os.Getppid(), syscall.SIGKILL)
		select {}
	case "needs": // what the wall doesn't permit
		_, err := net.Listen("tcp", "127.0.0.1:0")
		inside.Report(probeResult{Refused: fmt.Sprint("init of p panicked: ", err)})
		os.Exit(0)
	case "beside": // others it ends the process
		if len(order.Beside) > 0 {
			os.Exit(3)
		}
		inside.Report(probeResult{})
		os.Exit(0)
	case "fussy": // is refused beside others
		var r probeResult
		if len(order.Beside) > 0 {
			r.Refused = "already loaded"
		}
		inside.Report(r)
		os.Exit(0)
	case "tries":
		os.WriteFile(file, nil, 0o600)
		inside.Report(probeResult{})
		os.Exit(0)
	case "fill":
		for all := [][]byte{}; ; {
			all = append(all, bytes.Repeat([]byte("x"), 64<<20))
		}
	}
	var r probeResult
	if _, err := Open(context.Background(), images[0]); err != nil {
		r.Refused = err.Error()
	}
	inside.Report(r)
	os.Exit(0)
	return
}

// stay starts a process that lives on, and writes its number to a file.
func stay(file string, detach bool) {
	cmd := exec.Command("sleep", "1000")
	if detach {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		cmd.ExtraFiles = []*os.File{os.NewFile(3, "link")}
	}
	if err := cmd.Start(); err != nil {
		os.Exit(9)
	}
	os.WriteFile(file, []byte(strconv.Itoa(cmd.Process.Pid)), 0o600)
}

func probe(t *testing.T, o ProbeOptions, images ...string) (Probed, error) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("a minute is over"))
	defer cancel()
	return NewProber(slog.New(slog.DiscardHandler)).Probe(ctx, o, images...)
}

func TestProbe(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "no image")
	if err := os.WriteFile(file, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ image, want string }{
		{file, "open image: "},
		{filepath.Join(dir, "exit"), "opening it ended the child process that tried: exit status 3; it printed:\nthe words of an image"},
		{filepath.Join(dir, "quiet"), "opening it ended the child process that tried: exit status 0"},
		{filepath.Join(dir, "changes"), "its init functions took from the process what the server needs (user: 0 0 0 0 → 9 9 9 9); an image that " +
			"does this can't be loaded: run the server as that user, or do it in a process of its own"},
		{filepath.Join(dir, "kill"), "opening it ended the child process that tried: it "},
	} {
		_, err := probe(t, ProbeOptions{}, test.image)
		if err == nil || !strings.HasPrefix(err.Error(), test.want) || test.image != file && filepath.Base(test.image) != "kill" && err.Error() != test.want {
			t.Errorf("%s: %v, want %s", test.image, err, test.want)
		}
	}
	before := openFiles(t)
	for range 3 {
		if _, err := probe(t, ProbeOptions{}); err != nil { // nothing to open, which goes well
			t.Errorf("no image: %v", err)
		}
	}
	if after := openFiles(t); after > before {
		t.Errorf("%d files are open, before it were %d", after, before)
	}
	if _, err := probe(t, ProbeOptions{}, filepath.Join(dir, "talk")); err == nil || strings.Count(err.Error(), "x") > maxOutput+10 {
		t.Errorf("a child that prints much: %.100v", err)
	}
}

// TestProbeDies quotes of a crash the reason and the call of the image, and none of the stacks.
func TestProbeDies(t *testing.T) {
	_, err := probe(t, ProbeOptions{}, filepath.Join(t.TempDir(), "die"))
	want := regexp.MustCompile(`^opening it ended the child process that tried: exit status 2; it printed:
panic: runtime error: integer divide by zero
(?:\[signal .*\]\n)?\s*in github\.com/sohost/sohost/internal/instance\.divide \(.*probe_test\.go:\d+\)$`)
	if err == nil || !want.MatchString(err.Error()) {
		t.Errorf("%v, want %s", err, want)
	}
}

//go:noinline
func divide(by int) int { return 1 / by }

// TestProbeTakesTooLong kills the child when its time is over.
func TestProbeTakesTooLong(t *testing.T) {
	_, err := probe(t, ProbeOptions{Limit: 50 * time.Millisecond}, filepath.Join(t.TempDir(), "hang"))
	if !errors.Is(err, ErrTooSlow) || !strings.Contains(err.Error(), "has not returned") ||
		!strings.Contains(err.Error(), "or allow more with open_timeout") {
		t.Errorf("it says %v", err)
	}
}

// TestProbeLeavesNothing lets an image start a process in the child's group: it is gone when the child is.
func TestProbeLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if _, err := probe(t, ProbeOptions{Unwalled: true}, filepath.Join(dir, "stay@pid")); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("it says %v", err)
	}
	if p := left(t, filepath.Join(dir, "pid")); p != nil && !p.AwaitEnd(time.Minute) {
		t.Error("a process of an image lives on")
		p.Kill()
	}
}

// TestProbeDoesNotHang lets a process outside the child's group hold the link open. A probe that read to the link's end would wait
// for that process.
func TestProbeDoesNotHang(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct{ action, want string }{
		{"detach", "opening it ended the child process that tried: exit status 3"},
		{"report", "a reason"},
	} {
		_, err := probe(t, ProbeOptions{Unwalled: true}, filepath.Join(dir, test.action+"@"+test.action))
		if err == nil || err.Error() != test.want {
			t.Errorf("%s: %v, want %s", test.action, err, test.want)
		}
		if p := left(t, filepath.Join(dir, test.action)); p != nil && !p.AwaitEnd(time.Minute) {
			t.Errorf("%s: a process of an image lives on", test.action)
			p.Kill()
		}
	}
}

// TestProbeSaysWhatTheWallDid shows the words for images that meet the wall.
func TestProbeSaysWhatTheWallDid(t *testing.T) {
	dir := t.TempDir()
	prober := NewProber(slog.New(slog.DiscardHandler))
	if _, err := prober.Probe(t.Context(), ProbeOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, l := range prober.Layers() {
		if l.Name == wall.Calls && !l.InForce {
			t.Skipf("there are no names without the filter: %s", l.Why)
		}
	}
	for _, test := range []struct{ action, want string }{
		{"parent", "its init functions tried to send SIGKILL to a process outside (kill); the probe ended them"},
		{"needs", "init of p panicked: listen tcp 127.0.0.1:0: socket: permission denied\n" +
			"the probe did not let it open a socket for IPv4 (socket), nor "},
		{"needs", `; if that is the reason, let the plugin do it in New or Start, or set probe = "unwalled" for a plugin that you trust`},
		{"fill", "the probe's limits are "},
	} {
		_, err := prober.Probe(t.Context(), ProbeOptions{Memory: 512 << 20}, filepath.Join(dir, test.action))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v\nwant %s", test.action, err, test.want)
		}
	}
	probed, err := prober.Probe(t.Context(), ProbeOptions{}, filepath.Join(dir, "tries@file"))
	if want := "write to " + filepath.Join(dir, "file") + " (openat)"; err != nil || !slices.Equal(probed.Tried, []string{want}) {
		t.Errorf("%q, %v, want %q", probed.Tried, err, want)
	}
	if probed, err = prober.Probe(t.Context(), ProbeOptions{Unwalled: true}, filepath.Join(dir, "tries@file")); err != nil || probed.Tried != nil {
		t.Errorf("without the wall: %q, %v", probed.Tried, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "file")); err != nil {
		t.Error(err)
	}
}

// TestLackedMemory has what processes have printed that got no memory, and what others have.
func TestLackedMemory(t *testing.T) {
	for output, want := range map[string]bool{
		"fatal error: runtime: out of memory\n":                                                                          true,
		"runtime/cgo: pthread_create failed: Resource temporarily unavailable\nSIGABRT: abort\n":                         true,
		"SIGSEGV: segmentation violation\nPC=0x8ec9fd m=4 sigcode=1 addr=0x0\n\ngoroutine 0 gp=0x1 m=4 mp=0x2 [idle]:\n": true,
		"SIGSEGV: segmentation violation\nPC=0x8ec9fd m=4 sigcode=1 addr=0x7f0000001000\n":                               false,
		"SIGSEGV: segmentation violation\nPC=0x8ec9fd m=4 sigcode=1 addr=0x10000\n":                                      false,
		"fatal error: all goroutines are asleep - deadlock!\n":                                                           false,
	} {
		if got := lackedMemory().MatchString(output); got != want {
			t.Errorf("%q: %v", output, got)
		}
	}
}

// left returns the process whose ID is in the file, or nil if it has ended.
func left(t *testing.T, file string) *pidfd.Process {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(b))
	if err != nil {
		t.Fatal(err)
	}
	p, err := pidfd.Open(pid)
	if err != nil {
		return nil
	}
	return p
}

// TestProbeFails fails to start a child.
func TestProbeFails(t *testing.T) {
	t.Setenv("SOHOST_LAUNCHER", filepath.Join(t.TempDir(), "none"))
	if _, err := probe(t, ProbeOptions{}, "x"); err == nil || !strings.HasPrefix(err.Error(), "probe: start a child: ") {
		t.Errorf("it says %v", err)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestProbeBeside has an image that only ends a process in which others are open.
func TestProbeBeside(t *testing.T) {
	dir := t.TempDir()
	alone, other := filepath.Join(dir, "beside"), filepath.Join(dir, "other")
	if _, err := probe(t, ProbeOptions{}, alone); err != nil {
		t.Errorf("alone: %v", err)
	}
	if _, err := probe(t, ProbeOptions{Beside: []string{other}}, alone); err == nil || !strings.Contains(err.Error(), "beside the images that this process has open") ||
		!strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("beside another: %v", err)
	}
	// That an image is refused beside others is for the one that opens it in the end.
	if _, err := probe(t, ProbeOptions{Beside: []string{other}}, filepath.Join(dir, "fussy")); err != nil {
		t.Error(err)
	}
}
