package systemd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzPassed reads LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES with any values.
func FuzzPassed(f *testing.F) {
	for _, seed := range [][3]string{
		{"7", "2", "http:control"}, {"7", "1", ""}, {"7", "0", "a"}, {"1", "1", "http"}, {"7", "3", "a:b:c:d"}, {"7", "-1", ""},
		{"7", "99999999999999999999", ""}, {"+7", "1073741824", ":"}, {"", "", ""}, {"7 ", "x", "\n"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, pid, fds, names string) {
		const self = 7
		named, err := passed(pid, fds, names, self)
		if err != nil && (named != nil || !strings.Contains(err.Error(), "LISTEN_FDS") || strings.ContainsAny(err.Error(), "\n\x00")) {
			t.Errorf("%q, and the error %q", named, err)
		}
		if len(named) > maxFiles || len(named) > 0 && strings.TrimLeft(pid, "+0") != "7" {
			t.Errorf("%d descriptors are taken", len(named))
		}
		for i, name := range named {
			if strings.Contains(name, ":") || !strings.Contains(names, name) {
				t.Errorf("descriptor %d is %q", i, name)
			}
		}
	})
}

// FuzzNotifier reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID with any values. None stays for child processes.
func FuzzNotifier(f *testing.F) {
	f.Add("/run/systemd/notify", "30000000", "")
	f.Add("@abstract", "-1", "1")
	f.Add("relative", "99999999999999999999", "x")
	f.Add("", "0", "\xff")
	f.Fuzz(func(t *testing.T, socket, usec, pid string) {
		variables := map[string]string{"NOTIFY_SOCKET": socket, "WATCHDOG_USEC": usec, "WATCHDOG_PID": pid}
		for name, value := range variables {
			if strings.Contains(value, "\x00") {
				return // the kernel ends a variable there
			}
			t.Setenv(name, value)
		}
		n, err := NewNotifier()
		for name := range variables {
			if value, set := os.LookupEnv(name); set {
				t.Errorf("%s=%q is still there", name, value)
			}
		}
		if interval, on := n.WatchdogInterval(); on && (interval <= 0 || err != nil) {
			t.Errorf("the watchdog's interval is %v, %v", interval, err)
		}
		if n != nil && !filepath.IsAbs(socket) && socket[0] != '@' {
			t.Errorf("messages go to %q", socket)
		}
	})
}
