package generations

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// TestFolderWithoutLock loses the store's lock: no way of changing a file in a folder changes anything from then on, nor does a write
// that had begun before.
func TestFolderWithoutLock(t *testing.T) {
	text := func(w io.Writer) error { _, err := io.WriteString(w, "text"); return err }
	for _, ofLock := range []bool{false, true} {
		dir := t.TempDir()
		lock, err := AcquireLock(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Close()
		s, err := OpenStore(dir, StoreOptions{Lock: lock})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		f := s.Folder("state")
		if ofLock {
			f = lock.Folder(dir, "state")
		}
		if err := errors.Join(f.WriteFile("a", 0o600, text), f.Mark("b", "b"), f.Link("a", "c"), f.Rename("c", "d"), f.Remove("b"), f.Remove("b")); err != nil {
			t.Fatal(err)
		}
		had, err := filepath.Glob(f.Path("*"))
		if err != nil || len(had) != 2 {
			t.Fatalf("there are %v, %v", had, err)
		}
		staged, err := f.Stage(File{"e", 0o600, text})
		if err != nil {
			t.Fatal(err)
		}
		lose := func(w io.Writer) error { return errors.Join(text(w), os.Remove(filepath.Join(dir, lockFile))) }
		for what, err := range map[string]error{
			"a write that has begun": f.WriteFile("e", 0o600, lose), "a write": f.WriteFile("e", 0o600, text), "a mark": f.Mark("e", ""),
			"what was staged": staged.Commit(),
			"a link":          f.Link("a", "e"), "a rename": f.Rename("a", "e"), "a removal": f.Remove("a"),
		} {
			if !errors.Is(err, ErrWrongLock) {
				t.Errorf("%s without the lock: %v", what, err)
			}
		}
		if has, err := filepath.Glob(f.Path("*")); err != nil || len(has) != 2 {
			t.Errorf("without the lock there are %v, %v", has, err)
		}
	}
	if err := ReadFolder(t.TempDir()).Mark("a", ""); !errors.Is(err, ErrReadOnly) {
		t.Errorf("a folder for reading: %v", err)
	}
}
