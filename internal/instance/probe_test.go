package instance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/pidfd"
)

// In the child of a probe, the test program does what an image of that name would do when it is opened. A variable's
// initializer runs before any init function, such as the one that opens the images.
var _ = actAsImage()

func actAsImage() (none struct{}) {
	var images []string
	if json.Unmarshal([]byte(os.Getenv(probeEnv)), &images) != nil || len(images) != 1 {
		return
	}
	action, file, _ := strings.Cut(filepath.Base(images[0]), "@")
	file = filepath.Join(filepath.Dir(images[0]), file)
	switch action {
	case "exit":
		fmt.Fprintln(os.Stderr, "  the words of an image  ")
		os.Exit(3)
	case "quiet":
		os.Exit(0)
	case "talk":
		fmt.Print(strings.Repeat("x", 3*maxOutput))
		os.Exit(1)
	case "hang":
		select {}
	case "stay": // leaves a process in its group behind
		stay(file, false)
		os.Exit(3)
	case "detach": // leaves one that has left its group, and holds the pipe open
		stay(file, true)
		os.Exit(3)
	case "report": // and does the same after it has reported
		stay(file, true)
		json.NewEncoder(os.NewFile(resultFile, "result")).Encode(probeResult{Refused: "a reason"})
		os.Exit(0)
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	return
}

// stay starts a process that lives on, and writes its number to a file.
func stay(file string, detach bool) {
	cmd := exec.Command("sleep", "1000")
	if detach {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		cmd.ExtraFiles = []*os.File{os.NewFile(resultFile, "result")}
	}
	if err := cmd.Start(); err != nil {
		os.Exit(9)
	}
	os.WriteFile(file, []byte(strconv.Itoa(cmd.Process.Pid)), 0o600)
}

func probe(t *testing.T, images ...string) error {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("a minute is over"))
	defer cancel()
	return Probe(ctx, slog.New(slog.DiscardHandler), images...)
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
		{filepath.Join(dir, "kill"), "opening it ended the child process that tried: signal: killed"},
	} {
		err := probe(t, test.image)
		if err == nil || !strings.HasPrefix(err.Error(), test.want) || test.image != file && err.Error() != test.want {
			t.Errorf("%s: %v, want %s", test.image, err, test.want)
		}
	}
	before := openFiles(t)
	for range 3 {
		if err := probe(t); err != nil { // nothing to open, which goes well
			t.Errorf("no image: %v", err)
		}
	}
	if after := openFiles(t); after > before {
		t.Errorf("%d files are open, before it were %d", after, before)
	}
	if err := probe(t, filepath.Join(dir, "talk")); err == nil || strings.Count(err.Error(), "x") > maxOutput+10 {
		t.Errorf("a child that prints much: %.100v", err)
	}
}

// TestProbeTakesTooLong kills the child when its time is over.
func TestProbeTakesTooLong(t *testing.T) {
	slow := errors.New("too slow")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, slow)
	defer cancel()
	err := Probe(ctx, slog.New(slog.DiscardHandler), filepath.Join(t.TempDir(), "hang"))
	if !errors.Is(err, slow) || !strings.Contains(err.Error(), "has not returned") {
		t.Errorf("it says %v", err)
	}
}

// TestProbeLeavesNothing lets an image start a process in the child's group: it is gone when the child is.
func TestProbeLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := probe(t, filepath.Join(dir, "stay@pid")); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("it says %v", err)
	}
	if p := left(t, filepath.Join(dir, "pid")); p != nil && !p.AwaitEnd(time.Minute) {
		t.Error("a process of an image lives on")
		p.Kill()
	}
}

// TestProbeDoesNotHang lets a process outside the child's group hold the result's pipe open. A probe that read to the
// pipe's end would wait for that process.
func TestProbeDoesNotHang(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct{ action, want string }{
		{"detach", "opening it ended the child process that tried: exit status 3"},
		{"report", "a reason"},
	} {
		err := probe(t, filepath.Join(dir, test.action+"@"+test.action))
		if err == nil || err.Error() != test.want {
			t.Errorf("%s: %v, want %s", test.action, err, test.want)
		}
		p := left(t, filepath.Join(dir, test.action))
		if p == nil {
			t.Fatal("nothing holds the pipe")
		}
		p.Kill()
		p.Close()
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
	if err := probe(t, "x"); err == nil || !strings.HasPrefix(err.Error(), "probe: start a child: ") {
		t.Errorf("it says %v", err)
	}
}

// TestReadResult reads the largest result there is, and nothing from a pipe that nobody writes to.
func TestReadResult(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	refused := strings.Repeat("\x01", maxRefused)                                    // JSON takes six bytes for each
	if err := json.NewEncoder(w).Encode(probeResult{Refused: refused}); err != nil { // doesn't wait for a reader
		t.Fatal(err)
	}
	if got, ok := readResult(r); !ok || got.Refused != refused {
		t.Errorf("%d bytes of %d were read, %v", len(got.Refused), len(refused), ok)
	}
	if _, ok := readResult(r); ok { // w is still open
		t.Error("there is a second result")
	}
	if _, err := w.WriteString("{"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if _, ok := readResult(r); ok {
		t.Error("half a result counts")
	}
	if _, ok := readResult(r); ok {
		t.Error("the end of the pipe counts as a result")
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
