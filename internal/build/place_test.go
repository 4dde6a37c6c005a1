package build

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOutputIsNoFile names outputs that an image must neither replace nor read. They are as they were afterwards.
func TestOutputIsNoFile(t *testing.T) {
	f := unpack(t, "versions")
	dir := t.TempDir()
	file, pipe, link := filepath.Join(dir, "file"), filepath.Join(dir, "pipe"), filepath.Join(dir, "link")
	write(t, file, "text")
	noError(t, unix.Mkfifo(pipe, 0o600))
	noError(t, os.Symlink(pipe, link))
	for _, output := range []string{pipe, link, dir, filepath.Join(file, "x.so")} {
		opts := f.options("./plugin")
		opts.Output = output
		before, _ := os.Lstat(output)
		if r, err := Build(context.Background(), opts); !errors.Is(err, ErrOutput) {
			t.Errorf("%s: got %+v, %v", output, r, err)
		}
		if after, _ := os.Lstat(output); before != nil && !os.SameFile(before, after) {
			t.Errorf("%s is another", output)
		}
	}
	for output, refused := range map[string]bool{file: false, filepath.Join(dir, "new", "x.so"): false, os.DevNull: true} {
		if err := checkOutput(output); (err != nil) != refused {
			t.Errorf("%s: %v", output, err)
		}
	}
}
