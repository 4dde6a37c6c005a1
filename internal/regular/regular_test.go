package regular

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPaths reads, and appends to, what may be at a path. A FIFO without another end would hold that up for ever.
func TestPaths(t *testing.T) {
	t.Chdir(t.TempDir()) // a socket's path is short
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile("file", []byte("text"), 0o600))
	must(os.Symlink("file", "link"))
	must(os.Mkdir("directory", 0o700))
	must(unix.Mkfifo("fifo", 0o600))
	l, err := net.Listen("unix", "socket")
	must(err)
	defer l.Close()
	must(os.WriteFile("large", nil, 0o600))
	must(os.Truncate("large", Limit+1))
	for name, want := range map[string]string{
		"file":      "",
		"link":      "",
		"directory": "open directory: want a regular file, found a directory",
		"fifo":      "open fifo: want a regular file, found a FIFO",
		"socket":    "open socket: want a regular file, found a socket",
		"/dev/zero": "open /dev/zero: want a regular file, found a device",
		"large":     "read large: it has more than 16777216 bytes",
		"none":      "open none: no such file or directory",
	} {
		text, err := Read(name)
		switch {
		case want == "" && (err != nil || string(text) != "text"):
			t.Errorf("%s: %q, %v", name, text, err)
		case want != "" && (err == nil || err.Error() != want):
			t.Errorf("%s: %v, want %s", name, err, want)
		case strings.Contains(want, "want a regular file") != errors.Is(err, ErrNot):
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, want := range map[string]string{
		"file": "", "new": "", "/dev/null": "",
		"directory": "open directory: is a directory",
		"fifo":      "open fifo: want a regular file, found a FIFO", // whose reader might never read
		"socket":    "open socket: want a regular file, found a socket",
	} {
		f, err := Append(name, 0o600)
		if (want == "") != (err == nil) || err != nil && err.Error() != want {
			t.Errorf("append to %s: %v, want %s", name, err, want)
		}
		f.Close()
	}
	reader, err := os.OpenFile("fifo", os.O_RDONLY|unix.O_NONBLOCK, 0)
	must(err)
	defer reader.Close()
	if _, err := Append("fifo", 0o600); !errors.Is(err, ErrNot) {
		t.Errorf("append to a FIFO that is read: %v", err)
	}
	if _, err := Open(filepath.Join("file", "below")); errors.Is(err, ErrNot) || !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("below a file: %v", err)
	}
	if _, err := Open("none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
