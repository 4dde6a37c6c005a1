package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestIntrudingInit loads images whose init reaches for what isn't theirs. Each is refused at the probe, by the name of what it
// tried. Meanwhile no request fails, and in the end the processes, their settings and the store are as they were.
func TestIntrudingInit(t *testing.T) {
	t.Parallel()
	s := newCrashServer(t)
	first := newSourceOf(t, "crasher", filepath.Join("testdata", "crasher")).build()
	clones := newCloner(t, first, "example.com/crasher")
	file := filepath.Join(s.place.plugins, "crasher.so")
	install(t, first, file)
	s.daemon = s.place.start(t, "--plugins", s.place.plugins)
	for _, l := range s.status().Probe {
		if l.Name == "system call filter" && !l.InForce {
			t.Skipf("nothing is named without the filter: %s", l.Why)
		}
	}
	release := filepath.Join(s.place.store, "releases", "intruded")
	pid := s.status().Worker.PID
	processes, settings := s.processes(), processSettings(t, pid)
	load := startLoad(4, *steady, get(s.url+"/crasher"))
	for _, test := range []struct{ action, target, wants string }{
		{"kill parent", "", "its init functions tried to send SIGKILL to a process outside (kill)"},
		{"quit parent", "", "its init functions tried to send SIGQUIT to a process outside (kill)"},
		{"daemonize", "", "the probe did not let it start a process (clone)"},
		{"run", "", "the probe did not let it start a process (clone)"},
		{"fill", "", "the probe's limits are "},
		{"connect", strings.TrimPrefix(s.url, "http://"), "the probe did not let it open a socket for IPv4 (socket)"},
		{"listen", "", "the probe did not let it open a socket for IPv4 (socket)"},
		{"write", release, "the probe did not let it write to " + release + " (openat)"},
		{"set", "", "it went on: set"},
	} {
		s.onStep("target", test.target)
		s.onStep("init", test.action)
		mark := s.mark()
		install(t, clones.clone(t), file)
		l := s.awaitRefusal(mark, "crasher")
		if why := l.text("why"); l.text("phase") != string("probe") || !strings.Contains(why, test.wants) {
			t.Errorf("%s: refused at %s because %q, which doesn't mention %q", test.action, l.text("phase"), why, test.wants)
		}
	}
	load.end(t)
	if now := s.status().Worker.PID; now != pid {
		t.Errorf("the worker is %d, it was %d", now, pid)
	}
	awaitThat(t, "there are no more processes than before, but for the child that waits for the next probe", func() bool {
		now := s.processes()
		if s.status().SpareProbe != nil {
			now--
		}
		return now == processes
	})
	if now := processSettings(t, pid); now != settings {
		t.Errorf("the worker's settings were\n%s\nand are\n%s", settings, now)
	}
	if _, err := os.Lstat(release); err == nil {
		t.Error("the store was written to")
	}
}

// processes returns how many processes there are with the server's environment.
func (s *crashServer) processes() (n int) {
	environments, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range environments {
		if text, _ := os.ReadFile(file); bytes.Contains(text, []byte(s.place.env[0])) {
			n++
		}
	}
	return n
}

// processSettings returns settings of another process, as far as /proc shows them.
func processSettings(t *testing.T, pid int) string {
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	text := string(limits)
	for line := range strings.Lines(string(status)) {
		if name, _, _ := strings.Cut(line, ":"); name == "Umask" || name == "SigIgn" || name == "SigCgt" {
			text += line
		}
	}
	return text
}
