package systemd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childEnv names the variable that makes the test binary act as a child instead of running tests.
const childEnv = "SYSTEMD_TEST_CHILD"

// limit bounds each wait of a test. It is reached only when something is broken.
const limit = time.Minute

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		os.Exit(m.Run())
	case "sockets":
		takeSockets()
	case "exec":
		becomeAnother()
	}
}

// report describes a child's sockets.
type report struct {
	HTTP, Control string // network and address
	Other         string // of the one that is called other
	Errors        []string
	Unusable      int // how many of them are a SocketError
	Inherited     string
}

// takeSockets reports its sockets, and then answers one connection on each listener with the listener's purpose.
func takeSockets() {
	sockets, err := Sockets("other")
	var r report
	errs := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	for _, err := range errs {
		if err == nil {
			continue
		}
		r.Errors = append(r.Errors, err.Error())
		if _, ok := err.(*SocketError); ok {
			r.Unusable++
		}
	}
	http, control, other := sockets[ForHTTP], sockets[ForControl], sockets["other"]
	if other != nil {
		r.Other = other.Addr().Network() + " " + other.Addr().String()
	}
	if http != nil {
		r.HTTP = http.Addr().Network() + " " + http.Addr().String()
	}
	if control != nil {
		r.Control = control.Addr().Network() + " " + control.Addr().String()
	}
	// What a child of this process sees; no test passes more than three.
	out, err := exec.Command("/bin/sh", "-c", `env | grep ^LISTEN_; for fd in 3 4 5; do readlink /proc/$$/fd/$fd; done; true`).Output()
	if err != nil {
		panic(err)
	}
	r.Inherited = string(out)
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		panic(err)
	}
	for use, l := range map[string]net.Listener{ForHTTP: http, ForControl: control, "other": other} {
		if l == nil {
			continue
		}
		c, err := l.Accept()
		if err != nil {
			panic(err)
		}
		fmt.Fprint(c, use)
		c.Close()
		l.Close()
	}
}

// becomeAnother reports that it is ready, execs itself once with the variables of Environ, and reports it again.
func becomeAnother() {
	n, err := NewNotifier()
	if err != nil {
		panic(err)
	}
	out, err := exec.Command("/bin/sh", "-c", "env | grep -e ^NOTIFY_ -e ^WATCHDOG_; true").Output()
	if err != nil {
		panic(err)
	}
	interval, on := n.WatchdogInterval()
	text := fmt.Sprintf("%s, pid %d, watchdog %v %v, children see %q", os.Getenv("STAGE"), os.Getpid(), interval, on, out)
	if err := n.Ready(text); err != nil {
		panic(err)
	}
	if os.Getenv("STAGE") == "second" {
		return
	}
	os.Setenv("STAGE", "second")
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	panic(syscall.Exec(self, os.Args, append(os.Environ(), n.Environ()...)))
}

// wrapper returns a command for the child, with its pid in the variable as systemd would put it there.
func wrapper(t *testing.T, variable, child string, env ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", variable+`=${PID:-$$} exec "$0"`, self)
	cmd.Env = append(os.Environ(), append(env, childEnv+"="+child,
		"GORACE=atexit_sleep_ms=0")...) // else each child sleeps for a second at its end, for goroutines that may still race
	cmd.Stderr = &bytes.Buffer{}
	t.Cleanup(func() {
		if text := strings.TrimSpace(cmd.Stderr.(*bytes.Buffer).String()); text != "" {
			t.Error("the child says: ", text)
		}
	})
	return cmd
}
