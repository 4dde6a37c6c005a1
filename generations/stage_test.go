package generations

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestStageFaults lets each operation fail by which two files are staged and put in their places. Until that is begun nothing has changed;
// then each file is the old one or the new one. Nothing is left that Sweep wouldn't remove, nothing is written at the end, and once nothing
// fails both are new.
func TestStageFaults(t *testing.T) {
	names := []string{"a", "b"}
	for _, mode := range []faultMode{failBefore, failAfter, failRest} {
		failed := true
		for at := 1; failed; at++ {
			dir := filepath.Join(t.TempDir(), "config")
			f := &Folder{dir, func() error { return nil }, fastDisk()}
			stage := func(content string) (*Staged, error) {
				var files []File
				for _, name := range names {
					files = append(files, File{name, 0o600, func(w io.Writer) error { _, err := io.WriteString(w, content); return err }})
				}
				return f.Stage(files...)
			}
			put := func(content string) error {
				s, err := stage(content)
				if err == nil {
					err = s.Commit()
				}
				return err
			}
			if err := put("old"); err != nil {
				t.Fatal(err)
			}
			faults := &faults{mode: mode, at: at}
			f.disk = faults.wrap(fastDisk())
			what := func() string { return fmt.Sprintf("%s %d (%s)", mode, at, faults.failed) }
			has := func(accepted string) {
				t.Helper()
				for _, name := range names {
					if text, err := os.ReadFile(f.Path(name)); err != nil || !strings.Contains(accepted, string(text)) {
						t.Errorf("%s: %s holds %q, %v; want %s", what(), name, text, err, accepted)
					}
				}
				for _, left := range leftovers(t, dir) {
					if rel, _ := filepath.Rel(dir, left); !isTemp(strings.Split(rel, "/")[0]) {
						t.Errorf("%s leaves %s", what(), left)
					}
				}
				faults.checkClosed(t)
			}
			s, err := stage("new")
			if err != nil {
				has("old")
			} else {
				begun := len(faults.trace)
				if err = s.Commit(); err == nil {
					has("new")
				} else {
					has("old new")
				}
				for _, op := range faults.trace[begun:] {
					if strings.HasPrefix(op, "write") || strings.HasPrefix(op, "pending") || strings.HasPrefix(op, "mkdir") {
						t.Errorf("the end needs room: %s", op)
					}
				}
			}
			if failed = faults.failed != ""; err != nil && !failed {
				t.Errorf("%s: %v", what(), err)
			}
			f.disk = fastDisk()
			if err := put("newer"); err != nil {
				t.Errorf("%s, and then: %v", what(), err)
			}
			has("newer")
		}
	}
}

// TestStageDropped drops what was staged: it is gone, and what was there is there.
func TestStageDropped(t *testing.T) {
	f := &Folder{filepath.Join(t.TempDir(), "config"), func() error { return nil }, fastDisk()}
	s, err := f.Stage(File{"a", 0o600, func(io.Writer) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Drop(); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(f.Path("")); err != nil || len(entries) > 0 {
		t.Errorf("there are %v, %v", entries, err)
	}
	if s, err = f.Stage(); s.Commit() != nil || s.Drop() != nil || err != nil {
		t.Errorf("nothing is staged as %v, %v", s, err)
	}
}
