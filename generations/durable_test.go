package generations

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A power failure can't be had in a test. What protects against it is the order of operations: bytes before names, names
// before what refers to them, and when something goes, the reference first.
func TestOrderOfOperations(t *testing.T) {
	f := newFixture(t)
	s := f.store
	defer s.Close()
	steps := []struct {
		name string
		do   func() error
		want []string // in this order, others in between
	}{
		{"Add", func() error { _, err := s.Add(t.Context(), f.source); return err }, []string{
			"write objects/.image", "chmod objects/.image", "sync objects/.image", "close objects/.image",
			"rename objects/" + idOf("image of new").String(), "sync objects",
		}},
		{"Add again", func() error { _, err := s.Add(t.Context(), f.source); return err }, []string{"sync objects"}},
		{"Publish", func() error { _, err := s.Publish(manifest(map[string]ID{"a": f.spare})); return err }, []string{
			"symlink releases/.000004.sohost-tmp-0/a.so", "pending releases/.000004.sohost-tmp-0/manifest.json",
			"write releases/.000004.sohost-tmp-0/.manifest.json", "replace releases/.000004.sohost-tmp-0/.manifest.json",
			"removeAll releases/.000004.sohost-tmp-0/.manifest.json", "sync releases/.000004.sohost-tmp-0",
			"rename releases/000004", "sync releases", "symlink .current", "rename current", "sync ",
		}},
		{"Confirm", func() error { return s.Confirm(4) }, []string{"symlink .confirmed", "rename confirmed", "sync "}},
		{"Quarantine", func() error { return s.Quarantine(Quarantine{Image: f.spare}) }, []string{
			"mkdirTemp quarantine", "pending quarantine/" + f.spare.String(), "write quarantine/." + f.spare.String(),
			"replace quarantine/." + f.spare.String(), "sync quarantine", "write history",
		}},
		{"LiftQuarantine", func() error { _, err := s.LiftQuarantine(f.spare.Short()); return err }, []string{
			"remove quarantine/" + f.spare.String(), "sync quarantine", "write history",
		}},
		{"Prune", func() error { _, err := s.Prune(PruneOptions{Keep: 1}); return err }, []string{
			"rename releases/.dropped-000001.sohost-tmp-0", "sync releases", "remove objects/", "sync objects",
		}},
	}
	for _, step := range steps {
		faults := &faults{}
		s.disk = faults.wrap(fastDisk())
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		trace := strings.Split(strings.ReplaceAll(strings.Join(faults.trace, "\n")+"\n", s.dir+"/", ""), "\n")
		for i := range trace {
			trace[i] = strings.ReplaceAll(trace[i], s.dir, "") // the store itself
		}
		rest := trace
		for _, want := range step.want {
			exact := strings.HasPrefix(want, "sync ") && !strings.Contains(want, "/.")
			i := slices.IndexFunc(rest, func(op string) bool {
				return op == want || !exact && strings.HasPrefix(op, want)
			})
			if i < 0 {
				t.Errorf("%s: %q is missing or comes too early:\n%s", step.name, want, strings.Join(trace, "\n"))
				break
			}
			rest = rest[i+1:]
		}
	}
}

func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	write := func(content string, err error) func(io.Writer) error {
		return func(w io.Writer) error {
			// A crash here must leave nothing that OpenStore doesn't recognise.
			left := leftovers(t, filepath.Dir(path))
			if len(left) != 2 || !isTemp(filepath.Base(left[0])) || filepath.Dir(left[1]) != left[0] {
				t.Errorf("a crash would leave %v; want one temporary folder and the file in it", left)
			}
			_, writeErr := io.WriteString(w, content)
			return errors.Join(writeErr, err)
		}
	}
	broken := errors.New("the encoder gave up")
	for _, step := range []struct {
		content string
		err     error
		want    string
	}{{"first", nil, "first"}, {"half of the sec", broken, "first"}, {"third", nil, "third"}} {
		if err := WriteFile(path, 0o600, write(step.content, step.err)); !errors.Is(err, step.err) {
			t.Errorf("WriteFile = %v, want %v", err, step.err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != step.want {
			t.Errorf("file holds %q, %v; want %q", got, err, step.want)
		}
	}
	if fi := stat(t, path); fi.Mode() != 0o600 {
		t.Errorf("mode %v", fi.Mode())
	}
	if left := leftovers(t, filepath.Dir(path)); len(left) > 0 {
		t.Errorf("leftovers: %v", left)
	}
}
