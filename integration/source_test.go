package integration

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// source is a plugin's source in a module of its own, to be edited by a test.
type source struct {
	t    testing.TB
	name string
	dir  string
}

// newSource makes a module as `sohost new` does and replaces its code by a copy of one of the plugins of this repository.
func newSource(t testing.TB, name string) *source {
	t.Helper()
	return newSourceOf(t, name, filepath.Join(repository, "plugins", name))
}

// newSourceOf is newSource with the code from a folder.
func newSourceOf(t testing.TB, name, from string) *source {
	t.Helper()
	s := &source{t: t, name: name, dir: filepath.Join(t.TempDir(), name)}
	if err := os.CopyFS(s.dir, os.DirFS(modules.dir(t, name, from))); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *source) write(file, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// edit replaces a text, which must be there, in a file of the source.
func (s *source) edit(file, from, to string) {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, file))
	if err != nil {
		s.t.Fatal(err)
	}
	if !bytes.Contains(b, []byte(from)) {
		s.t.Fatalf("%s has no %q", file, from)
	}
	s.write(file, strings.Replace(string(b), from, to, 1))
}

// require has the module use a version of a dependency, up or down.
func (s *source) require(dependency string) {
	s.t.Helper()
	s.run(s.dir, "go", "get", dependency)
}

// build builds an image for the servers of these tests and returns its path.
func (s *source) build() string {
	s.t.Helper()
	return s.buildFor(server)
}

// buildFor builds an image for a server and returns its path. Equal sources make equal images, so each is built once.
func (s *source) buildFor(host string, flags ...string) string {
	s.t.Helper()
	return s.image(strings.Join(append(flags, host), " "), func(out string) { s.buildTo(out, host, flags...) })
}

// buildTo builds an image for a server into a file.
func (s *source) buildTo(out, host string, flags ...string) {
	s.t.Helper()
	if *full {
		flags = append(flags, "--full")
	}
	s.run(s.dir, tool, append(append([]string{"build", "--host", host, "-o", out}, flags...), ".")...)
}

// image returns a file of the test's own with the image that build makes of the source as it is now.
func (s *source) image(how string, build func(out string)) string {
	s.t.Helper()
	built := images.file(s.t, how, s.dir, build)
	own := filepath.Join(s.t.TempDir(), s.name+".so")
	overwrite(s.t, built, own) // a link would share its attributes with other tests' links, and a server notices when they change
	return own
}

func (s *source) run(dir string, name string, args ...string) {
	s.t.Helper()
	if err := run(dir, nil, name, args...); err != nil {
		s.t.Fatal(err)
	}
}

// install puts an image where a server looks for it, as a build does: whole, by a rename.
func install(t testing.TB, image, to string) {
	t.Helper()
	tmp := filepath.Join(filepath.Dir(to), ".incoming")
	overwrite(t, image, tmp)
	if err := os.Rename(tmp, to); err != nil {
		t.Fatal(err)
	}
}

// overwrite writes an image over a file in place, as cp does.
func overwrite(t testing.TB, image, to string) {
	t.Helper()
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o644); err != nil {
		t.Fatal(err)
	}
}
