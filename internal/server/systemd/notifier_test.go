package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// manager is the socket that systemd would listen on.
func manager(t *testing.T, name string) *net.UnixConn {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func receive(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(limit))
	buf := make([]byte, 8192)
	n, err := c.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func setenv(t *testing.T, env map[string]string) {
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		t.Setenv(name, "") // so that it is put back
		os.Unsetenv(name)
		if value, ok := env[name]; ok {
			os.Setenv(name, value)
		}
	}
}

func TestNotifier(t *testing.T) {
	for _, name := range []string{filepath.Join(t.TempDir(), "notify"), "@sohost-test-notify-" + strconv.Itoa(os.Getpid())} {
		c := manager(t, name)
		setenv(t, map[string]string{"NOTIFY_SOCKET": name})
		n, err := NewNotifier()
		if err != nil {
			t.Fatal(err)
		}
		if value, ok := os.LookupEnv("NOTIFY_SOCKET"); ok {
			t.Errorf("NOTIFY_SOCKET is still %q", value)
		}
		for _, step := range []struct {
			send func() error
			want string
		}{
			{func() error { return n.Status("loading 3 plugins") }, "STATUS=loading 3 plugins"},
			{func() error { return n.Ready("") }, "READY=1"},
			{func() error { return n.Ready("release 42") }, "READY=1\nSTATUS=release 42"},
			{n.Ping, "WATCHDOG=1"},
			{func() error { return n.MainPID(4711) }, "MAINPID=4711"},
			{n.Stopping, "STOPPING=1"},
			{func() error { return n.Status("bad\nREADY=1\r\x00") }, "STATUS=bad READY=1  "},
			{func() error { return n.Status("bad \xff text") }, "STATUS=bad  text"},
			{func() error { return n.Status(strings.Repeat("a", 1023) + "ä") }, "STATUS=" + strings.Repeat("a", 1023)},
		} {
			if err := step.send(); err != nil {
				t.Fatal(err)
			}
			if got := receive(t, c); got != step.want {
				t.Errorf("through %s: %q, want %q", name, got, step.want)
			}
		}

		before := monotonic(t)
		if err := n.Reloading(); err != nil {
			t.Fatal(err)
		}
		var at int64
		if got := receive(t, c); !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") {
			t.Errorf("through %s: %q", name, got)
		} else if _, err := fmt.Sscanf(got, "RELOADING=1\nMONOTONIC_USEC=%d", &at); err != nil || at < before || at > monotonic(t) {
			t.Errorf("time %d, %v; want one between %d and now", at, err, before)
		}
	}
}

// monotonic returns the clock that systemd compares with, in µs.
func monotonic(t *testing.T) int64 {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	return now.Nano() / 1000
}

func TestNoNotifier(t *testing.T) {
	setenv(t, map[string]string{"WATCHDOG_USEC": "1000000"})
	n, err := NewNotifier()
	if n != nil || err != nil {
		t.Fatal(n, err)
	}
	if err := errors.Join(n.Ready("x"), n.Reloading(), n.Stopping(), n.Status("x"), n.MainPID(1), n.Ping()); err != nil {
		t.Error(err)
	}
	if interval, on := n.WatchdogInterval(); on || interval != 0 || n.Environ() != nil {
		t.Error(interval, on, n.Environ())
	}
}

func TestNewNotifier(t *testing.T) {
	pid := strconv.Itoa(os.Getpid())
	tests := []struct {
		name     string
		env      map[string]string
		interval time.Duration
		want     string // what the error says
	}{
		{name: "a watchdog", env: map[string]string{"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": pid}, interval: 30 * time.Second},
		{name: "a watchdog without a pid", env: map[string]string{"WATCHDOG_USEC": "1500000"}, interval: 1500 * time.Millisecond},
		{name: "another process's watchdog", env: map[string]string{"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}},
		{name: "no watchdog"},
		{name: "no number", env: map[string]string{"WATCHDOG_USEC": "soon"}, want: "WATCHDOG_USEC"},
		{name: "no pid", env: map[string]string{"WATCHDOG_USEC": "1", "WATCHDOG_PID": "me"}, want: "WATCHDOG_PID"},
		{name: "a relative path", env: map[string]string{"NOTIFY_SOCKET": "notify"}, want: `NOTIFY_SOCKET is "notify"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			env := map[string]string{"NOTIFY_SOCKET": "/nowhere"}
			for name, value := range test.env {
				env[name] = value
			}
			setenv(t, env)
			n, err := NewNotifier()
			for name := range env {
				if value, ok := os.LookupEnv(name); ok {
					t.Errorf("%s is still %q", name, value)
				}
			}
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) || n != nil {
					t.Errorf("%v, %v; want an error with %q", n, err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if interval, on := n.WatchdogInterval(); interval != test.interval || on != (test.interval != 0) {
				t.Errorf("watchdog %v %v, want %v", interval, on, test.interval)
			}
			var want []string
			for name, value := range env {
				want = append(want, name+"="+value)
			}
			got := n.Environ()
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("environ %q, want %q", got, want)
			}
			if err := n.Ready(""); err == nil || !strings.Contains(err.Error(), "notify systemd: ") {
				t.Errorf("with no socket at the path: %v", err)
			}
		})
	}
}

// TestNotifierExec lets a process exec another program, which continues with the same socket and watchdog.
func TestNotifierExec(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	c := manager(t, name)
	cmd := wrapper(t, "WATCHDOG_PID", "exec", "NOTIFY_SOCKET="+name, "WATCHDOG_USEC=2000000", "STAGE=first")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, stage := range []string{"first", "second"} {
		want := fmt.Sprintf("READY=1\nSTATUS=%s, pid %d, watchdog 2s true, children see \"\"", stage, cmd.Process.Pid)
		if got := receive(t, c); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestNotifierFull fills the queue of a manager that reads nothing: the server must not hang with it.
func TestNotifierFull(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	manager(t, name)
	setenv(t, map[string]string{"NOTIFY_SOCKET": name})
	n, err := NewNotifier()
	if err != nil {
		t.Fatal(err)
	}
	for range 100_000 {
		if err = n.Ping(); err == nil {
			continue
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		return
	}
	t.Error("the queue takes everything")
}

// TestNotifierConcurrent uses one Notifier from many goroutines, for the race detector.
func TestNotifierConcurrent(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	c := manager(t, name)
	setenv(t, map[string]string{"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1000000"})
	n, err := NewNotifier()
	if err != nil {
		t.Fatal(err)
	}
	const goroutines, each = 8, 50
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range each {
				n.WatchdogInterval()
				n.Environ()
				err := n.Ping()
				for errors.Is(err, os.ErrDeadlineExceeded) { // the reader below was slow; this Ping is not in the queue
					err = n.Ping()
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range goroutines * each {
		if got := receive(t, c); got != "WATCHDOG=1" {
			t.Errorf("%q", got)
		}
	}
	wg.Wait()
}
