package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(listenEnv); dir != "" { // for TestCallsEnd
		fmt.Fprintln(os.Stderr, listenForever(dir))
		os.Exit(1)
	}
	code := m.Run()
	if testHost.dir != "" {
		os.RemoveAll(testHost.dir)
	}
	os.Exit(code)
}

// long skips a test with -short: make long runs it. Of what the test shows, another that isn't skipped shows the most important.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds many images; make long runs it")
	}
}

// testEnv returns an environment in which the fixtures need no go.sum.
func testEnv(extra ...string) []string {
	return append(append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off"), extra...)
}

// testHost is the program that loads the images, built once.
var testHost struct {
	sync.Once
	dir string
	err error
}

func hostFile(t *testing.T) string {
	t.Helper()
	testHost.Do(func() {
		testHost.dir, testHost.err = os.MkdirTemp("", "sohost-build-test-")
		if testHost.err == nil {
			testHost.err = buildHost(testHost.dir, "-trimpath")
		}
	})
	if testHost.err != nil {
		t.Fatal(testHost.err)
	}
	return filepath.Join(testHost.dir, "host")
}

// buildHost builds the host in dir as dir/host.
func buildHost(dir string, flags ...string) error {
	if err := unpackTo(dir, "host"); err != nil {
		return err
	}
	cmd := exec.Command("go", append(append([]string{"build"}, flags...), "-o", "host", ".")...)
	cmd.Dir, cmd.Env = dir, testEnv()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the host: %w\n%s", err, out)
	}
	return nil
}

// fixture is the module of a plugin on disk.
type fixture struct {
	t      *testing.T
	dir    string
	images int
}

// unpack copies testdata/<name> to a new directory. $ROOT in its files becomes the root of this repository.
func unpack(t *testing.T, name string) *fixture {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "module")
	if err := unpackTo(dir, name); err != nil {
		t.Fatal(err)
	}
	return &fixture{t: t, dir: dir}
}

func unpackTo(dir, name string) error {
	root, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	from := os.DirFS(filepath.Join("testdata", name))
	return fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		return os.WriteFile(file, bytes.ReplaceAll(b, []byte("$ROOT"), []byte(root)), 0o644)
	})
}

// edit replaces text in a file. The file must contain it.
func (f *fixture) edit(name, old, new string) {
	f.t.Helper()
	file := filepath.Join(f.dir, name)
	b, err := os.ReadFile(file)
	if err != nil {
		f.t.Fatal(err)
	}
	if !strings.Contains(string(b), old) {
		f.t.Fatalf("%s doesn't hold %q", name, old)
	}
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(b), old, new)), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

// options returns options that build the package in a directory of the fixture into a new file.
func (f *fixture) options(pkg string) Options {
	f.t.Helper()
	f.images++
	return Options{Package: pkg, Dir: f.dir, Host: hostFile(f.t), Env: testEnv(), Output: filepath.Join(f.dir, "out", fmt.Sprintf("%d.so", f.images))}
}

// build builds the package in a directory of the fixture, and returns the file.
func (f *fixture) build(pkg string) string {
	f.t.Helper()
	return f.buildWith(f.options(pkg)).Output
}

func (f *fixture) buildWith(opts Options) *Result {
	f.t.Helper()
	r, err := Build(context.Background(), opts)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// load opens the images in one new process and returns their answers, line by line. An argument that is a number asks the
// image with that number again.
func load(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.Command(hostFile(t), args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the host: %v; it had said\n%s", err, out)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

func refusal(t *testing.T, err, kind error) *Refusal {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) || !errors.Is(err, kind) {
		t.Fatalf("got %v, want a refusal: %v", err, kind)
	}
	if r.Remedy == "" {
		t.Errorf("%v has no remedy", err)
	}
	return r
}
