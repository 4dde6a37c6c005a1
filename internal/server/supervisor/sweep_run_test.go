package supervisor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/control"
)

// sweep is one run.
type sweep struct {
	t     *testing.T
	dir   string
	url   string
	cmd   *exec.Cmd
	log   strings.Builder
	quiet chan struct{} // closed when no process of the run is left
	ended chan error    // gets how the supervisor has ended
}

// newSweep starts a server in which an operation fails.
func newSweep(t *testing.T, bad operation) *sweep {
	dir, err := os.MkdirTemp("", "sweep-") // t.TempDir may be too deep for a socket
	if err != nil {
		t.Fatal(err)
	}
	w := &sweep{t: t, dir: dir, quiet: make(chan struct{}), ended: make(chan error, 1)}
	if bad.Role == "" {
		w.write("record", nil)
	}
	b, _ := json.Marshal(bad)
	w.write("fault", b)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w.url = "http://" + l.Addr().String()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, all, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	w.cmd = exec.Command(os.Args[0], "sweep", dir)
	w.cmd.Env = append(os.Environ(), sweepEnv+"="+dir)
	w.cmd.ExtraFiles, w.cmd.Stdout, w.cmd.Stderr = []*os.File{f}, all, all // which all workers inherit
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	all.Close()
	go func() { w.ended <- w.cmd.Wait() }()
	go func() { io.Copy(&w.log, r); r.Close(); close(w.quiet) }()
	return w
}

func (w *sweep) write(name string, b []byte) {
	if err := os.WriteFile(filepath.Join(w.dir, name), b, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// gone reports whether the supervisor has ended.
func (w *sweep) gone() bool { return len(w.ended) > 0 }

// until waits until ok holds, or the supervisor is gone. It reports whether ok holds.
func (w *sweep) until(what string, ok func() bool) bool {
	for deadline := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		if ok() {
			return true
		}
		if w.gone() {
			return false
		}
		if time.Now().After(deadline) {
			w.cmd.Process.Kill()
			<-w.quiet
			w.t.Errorf("in vain: %s; the log:\n%s", what, &w.log)
			return false
		}
	}
}

// serves reports whether a worker answers.
func (w *sweep) serves() bool {
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(w.url + "/x")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusNotFound
}

// alone reports whether the supervisor has exactly one worker, which serves.
func (w *sweep) alone() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	s, err := control.NewClient(filepath.Join(w.dir, "c.sock")).Status(ctx)
	if err != nil || s.Worker == nil || len(s.Draining) > 0 {
		return false
	}
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", w.cmd.Process.Pid, w.cmd.Process.Pid))
	if err != nil {
		return true // the kernel doesn't say
	}
	return len(strings.Fields(string(list))) <= 1 // another thread's children are in another list
}

func (w *sweep) handover() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := control.NewClient(filepath.Join(w.dir, "c.sock")).Handover(ctx, control.HandoverRequest{Why: "a test"})
	return err
}

// live goes from the start to a handover and another one. Whatever happens a worker serves in the end, alone, and can be replaced, unless
// the supervisor is gone.
func (w *sweep) live() {
	if !w.until("the server serves", w.serves) {
		return
	}
	w.handover() // during which most things fail
	if !w.until("a worker serves afterwards", w.serves) || !w.until("it is the only one", w.alone) {
		return
	}
	w.until("a later handover succeeds", func() bool { return w.handover() == nil })
	w.until("a worker serves in the end", w.serves)
}

// stop ends the server, and checks that nothing of it is left.
func (w *sweep) stop(dies bool) {
	w.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-w.quiet:
	case <-time.After(patience):
		w.cmd.Process.Signal(syscall.SIGQUIT)
		w.t.Error("the server doesn't end")
		<-w.quiet
	}
	<-w.ended
	if _, err := os.Stat(filepath.Join(w.dir, "c.sock")); err == nil && !dies {
		w.t.Error("the control socket is left")
	}
	for _, pattern := range []string{".*", "*/.*", "*/*/.*"} {
		if left, _ := filepath.Glob(filepath.Join(w.dir, "store", pattern)); len(left) > 0 {
			w.t.Errorf("left are %v", left)
		}
	}
	if w.t.Failed() {
		w.t.Logf("the log:\n%s", &w.log)
	}
	os.RemoveAll(w.dir)
}
