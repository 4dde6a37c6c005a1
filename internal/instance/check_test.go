package instance

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/sohost/sohost/native"
)

// TestCheckNamesNoPath checks that what is wrong with a file's content comes without its path: the file is most often a copy in the
// store, and whoever asks has named the one that the user knows.
func TestCheckNamesNoPath(t *testing.T) {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	for want, content := range map[error][]byte{
		native.ErrNotELF:    []byte("text"),
		native.ErrEmpty:     nil,
		native.ErrTruncated: self[:1<<12],
	} {
		file := filepath.Join(t.TempDir(), "object.so")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		text := want.Error()
		if want == native.ErrTruncated {
			text += ": its section headers would be at byte "
		}
		if err := Check(file, ""); !errors.Is(err, want) || len(err.Error()) < len(text) || err.Error()[:len(text)] != text {
			t.Errorf("%v, want %s", err, text)
		}
	}
	if err := Check("nofile", ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
