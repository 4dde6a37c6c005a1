package packaging

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// service is a server that runs.
type service struct {
	cmd    *exec.Cmd
	url    string
	output *bytes.Buffer // read it once the server has ended
	copied chan struct{} // closed then
}

// start runs what ExecStart= of the unit says, as its user, once its runtime directory is there. systemd has no part in it.
func (r root) start(t *testing.T) *service {
	t.Helper()
	unit := directives(r.read(t, "/lib/systemd/system/sohost.service"))
	r.run(t, "install", "-d", "-o", unit["User"], "-g", unit["Group"], "/run/"+unit["RuntimeDirectory"])
	words := append([]string{"--reuid", unit["User"], "--regid", unit["Group"], "--init-groups", "--no-new-privs", "--"},
		strings.Fields(unit["ExecStart"])...)
	return serve(t, r.command("setpriv", words...))
}

// serve starts a server by a command, and waits until it serves.
func serve(t *testing.T, cmd *exec.Cmd) *service {
	t.Helper()
	s := &service{cmd: cmd, output: new(bytes.Buffer), copied: make(chan struct{})}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.cmd.Process.Kill() })
	serving := make(chan string, 1)
	go func() {
		defer close(s.copied)
		for lines := bufio.NewScanner(io.TeeReader(stderr, s.output)); lines.Scan(); {
			if _, after, ok := strings.Cut(lines.Text(), "serving url="); ok {
				serving <- strings.Fields(after)[0]
			}
		}
	}()
	select {
	case s.url = <-serving:
	case <-s.copied:
		t.Fatalf("the server has ended:\n%s", s.output)
	case <-time.After(hang):
		t.Fatal("the server doesn't serve")
	}
	return s
}

// stop ends the server, whose first process is pid, as systemctl stop does, and fails if it ends otherwise than by itself.
func (s *service) stop(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-s.copied
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("the server: %v\n%s", err, s.output)
	}
}

// becomes waits until the server's first process runs the program at path.
func (s *service) becomes(t *testing.T, r root, path string) {
	t.Helper()
	want := sha256.Sum256([]byte(r.read(t, path)))
	for end := time.Now().Add(hang); ; time.Sleep(50 * time.Millisecond) {
		program, err := os.ReadFile(fmt.Sprintf("/proc/%d/exe", s.cmd.Process.Pid))
		switch {
		case err != nil:
			t.Fatal(err)
		case sha256.Sum256(program) == want:
			return
		case time.Now().After(end):
			t.Fatalf("process %d runs another program than %s", s.cmd.Process.Pid, path)
		}
	}
}

// directives returns those of a unit; of several with one name, the last.
func directives(unit string) map[string]string {
	d := map[string]string{}
	for line := range strings.Lines(unit) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			d[key] = value
		}
	}
	return d
}
