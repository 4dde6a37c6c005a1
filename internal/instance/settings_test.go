package instance

import (
	"errors"
	"log"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSettings changes each kind of setting as a plugin could. The change is told by name, and set back.
func TestSettings(t *testing.T) {
	at := ReadSettings()
	if changes := at.Changes(); len(changes) > 0 {
		t.Fatalf("unchanged, it says %v", changes)
	}
	dir := t.TempDir()
	core := func(cur uint64) {
		var limit unix.Rlimit
		if err := errors.Join(unix.Getrlimit(unix.RLIMIT_CORE, &limit), unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: cur, Max: limit.Max})); err != nil {
			t.Fatal(err)
		}
	}
	core(0)
	for _, test := range []struct {
		change  func()
		setting string // the first one that is told
		want    string // of its text
	}{
		{func() { debug.SetGCPercent(-1) }, "GOGC", "100 → off"},
		{func() { debug.SetMemoryLimit(1 << 40) }, "memory limit", "→ 1099511627776"},
		{func() { runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1) }, "GOMAXPROCS", ""},
		{func() { slog.SetDefault(slog.New(slog.DiscardHandler)) }, "slog.Default", "*slog.Logger"},
		{func() { log.SetPrefix("x") }, "log.Default's prefix", "→ x"},
		{func() { log.SetFlags(log.Llongfile) }, "log.Default's flags", ""},
		{func() { log.SetOutput(os.Stdout) }, "log.Default's output", "→ *os.File"},
		{func() { http.DefaultTransport = http.NewFileTransport(nil) }, "http.DefaultTransport", "*http.Transport at"},
		{func() { http.DefaultTransport = nil }, "http.DefaultTransport", "→ none"},
		{func() { http.DefaultServeMux = http.NewServeMux() }, "http.DefaultServeMux", ""},
		{func() { http.DefaultClient.Transport = http.DefaultTransport }, "http.DefaultClient.Transport", "none → *http.Transport at"},
		{func() { syscall.Umask(0o77) }, "umask", "→ 0077"},
		{func() { os.Chdir(dir) }, "working directory", "→ " + dir},
		{func() { os.Setenv("SETTINGS_TEST", "secret") }, "environment variable SETTINGS_TEST", "unset → set"},
		{func() { os.Unsetenv("PATH") }, "environment variable PATH", "set → unset"},
		{func() { os.Setenv("PATH", "secret") }, "environment variable PATH", "set → set otherwise"},
		{func() { core(4096) }, "limit core", "0/"},
		{func() { unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }, "dumpable", "1 → 0"},
	} {
		at := ReadSettings()
		test.change()
		changes := at.Changes()
		if len(changes) == 0 || changes[0].Setting != test.setting || !strings.Contains(changes[0].String(), test.want) ||
			strings.Contains(changes[0].String(), "secret") {
			t.Errorf("%s %q: it says %v", test.setting, test.want, changes)
		}
		if left := Restore(changes); len(left) > 0 {
			t.Errorf("%s: %v stays", test.setting, left)
		}
		if again := at.Changes(); len(again) > 0 {
			t.Errorf("%s: set back, it says %v", test.setting, again)
		}
	}
	if changes := at.Changes(); len(changes) > 0 {
		t.Errorf("in the end it says %v", changes)
	}

	signal.Ignore(syscall.SIGWINCH)
	defer func() { // Reset alone leaves it ignored
		signal.Notify(make(chan os.Signal, 1), syscall.SIGWINCH)
		signal.Reset(syscall.SIGWINCH)
	}()
	changes := at.Changes()
	if len(changes) == 0 || changes[0].Setting != "ignored signals" || !strings.Contains(changes[0].New, "SIGWINCH") {
		t.Errorf("an ignored signal: it says %v", changes)
	}
	if left := Restore(changes); len(left) == 0 {
		t.Error("an ignored signal was set back")
	}
}

// TestSettingsTwice changes settings more than once. They get back what they were at first.
func TestSettingsTwice(t *testing.T) {
	first := ReadSettings()
	debug.SetGCPercent(50)
	os.Setenv("SETTINGS_TEST", "a")
	second := ReadSettings()
	changes := first.Changes()
	debug.SetGCPercent(-1)
	os.Unsetenv("SETTINGS_TEST")
	changes = Merged(changes, second.Changes())
	if len(changes) != 1 || changes[0].String() != "GOGC: 100 → off" {
		t.Errorf("it says %v", changes)
	}
	if left := Restore(changes); len(left) > 0 {
		t.Errorf("%v stays", left)
	}
	if changes := first.Changes(); len(changes) > 0 {
		t.Errorf("in the end it says %v", changes)
	}

	// What another plugin has set since is left alone.
	debug.SetGCPercent(50)
	changes = first.Changes()
	debug.SetGCPercent(60)
	if left := Restore(changes); len(left) > 0 || changes[0].Restored || debug.SetGCPercent(100) != 60 {
		t.Errorf("another's setting: %v", changes)
	}
}

func BenchmarkSettings(b *testing.B) {
	for b.Loop() {
		ReadSettings()
	}
}
