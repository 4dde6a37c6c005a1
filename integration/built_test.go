package integration

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// What tests share is made once in a run, whichever test comes first.
var (
	modules made // as sohost new makes them
	images  made
	stores  made // with confirmed releases
)

// made are files or folders by what they were made from.
type made struct {
	mu  sync.Mutex // guards all
	all map[string]*madeOnce
}

type madeOnce struct {
	sync.Mutex        // held while it is made
	path       string // empty until then
}

// get returns what was made from key. The first that asks makes it, under a name in scratch that nothing else has; if that
// ends the test, the next that asks tries again.
func (m *made) get(t testing.TB, key, name string, make func(path string)) string {
	t.Helper()
	m.mu.Lock()
	if m.all == nil {
		m.all = map[string]*madeOnce{}
	}
	one := m.all[key]
	if one == nil {
		one = new(madeOnce)
		m.all[key] = one
	}
	m.mu.Unlock()
	one.Lock()
	defer one.Unlock()
	if one.path == "" {
		dir, err := os.MkdirTemp(scratch, "made-")
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		make(path)
		one.path = path
	}
	return one.path
}

// dir returns a module as `sohost new` makes it, with the code from a folder. It is not to be changed.
func (m *made) dir(t testing.TB, name, from string) string {
	t.Helper()
	return m.get(t, from, name, func(dir string) {
		s := &source{t: t, name: name, dir: dir}
		s.run(".", tool, "new", name, "--dir", s.dir, "--module", "example.com/"+name)
		if err := os.Remove(filepath.Join(s.dir, "plugin.go")); err != nil {
			t.Fatal(err)
		}
		own := strings.NewReplacer(
			"github.com/sohost/sohost/plugins/"+name, "example.com/"+name,
			"github.com/sohost/sohost/integration/testdata/"+name, "example.com/"+name,
		)
		err := eachFile(from, func(file string, text []byte) { s.write(file, own.Replace(string(text))) })
		if err != nil {
			t.Fatal(err)
		}
		s.run(s.dir, "go", "mod", "tidy")
	})
}

// file returns the image that build makes of the files in a folder. It is not to be changed.
func (m *made) file(t testing.TB, how, dir string, build func(out string)) string {
	t.Helper()
	h := sha256.New()
	err := eachFile(dir, func(file string, text []byte) {
		fmt.Fprintf(h, "%s %d ", file, len(text))
		h.Write(text)
	})
	if err != nil {
		t.Fatal(err)
	}
	return m.get(t, fmt.Sprintf("%s %x", how, h.Sum(nil)), "image.so", build)
}

// eachFile calls f with each file below a folder, by the name that it has in there.
func eachFile(dir string, f func(file string, text []byte)) error {
	return filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file, err := filepath.Rel(dir, path)
		if err == nil {
			f(file, text)
		}
		return err
	})
}
