package native

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// Images are built once for all tests. Each test that opens one does so in a child process, since no process can forget it.
const (
	imagesEnv = "NATIVE_TEST_IMAGES" // where the images are
	childEnv  = "NATIVE_TEST_CHILD"  // set in child processes
	initEnv   = "NATIVE_TEST_INIT"   // what the init function of package early does
)

// sources are the files of the test module. The names with _g are of the form that isolated builds have; first and second are
// sealed, so there they mean it.
var sources = map[string]string{
	"go.mod": "module example.com/app\ngo 1.26\nrequire golang.org/x/sys v0.0.1\nreplace golang.org/x/sys => ./sys\n",

	"contract/contract.go": "package contract\n\ntype Descriptor struct{ Name string }\n",
	"private/private.go":   "package private\n\nvar secret = 1\n\n//go:noinline\nfunc Secret() int { return secret }\n",
	"alpha/alpha.go": `package main
		import ("example.com/app/contract"; "example.com/app/private")
		var Plugin = contract.Descriptor{Name: "alpha"}
		var Calls int
		var hidden [1 << 20]byte
		func Secret() int { Calls++; hidden[Calls]++; return private.Secret() }
		func main() {}`,

	"early_g0123456789ab/early.go": `package early
		import ("os"; "runtime"; "time")
		var Runs int
		func init() {
			Runs++
			mode := os.Getenv("NATIVE_TEST_INIT")
			switch mode {
			case "": return
			case "panic": panic("no luck")
			case "goexit": runtime.Goexit()
			case "slow": time.Sleep(200 * time.Millisecond)
			default: os.WriteFile(mode + ".begun", nil, 0o644)
			}
			for { // until a file called mode is there
				if _, err := os.Stat(mode); err == nil || mode == "slow" { return }
				time.Sleep(10 * time.Millisecond)
			}
		}`,
	"first_g0123456789ab/first.go": `package main
		import early "example.com/app/early_g0123456789ab"
		func Runs() int { return early.Runs }
		func main() {}`,
	"second_g0123456789ab/second.go": `package main
		import early "example.com/app/early_g0123456789ab"
		func Runs() int { return early.Runs }
		func main() {}`,

	"cone/c.go": "package main\n// int answer(void) { return 1; }\n" +
		"import \"C\"\nfunc Answer() int { return int(C.answer()) }\nfunc main() {}\n",
	"ctwo/c.go": "package main\n// int answer(void) { return 2; }\n" +
		"import \"C\"\nfunc Answer() int { return int(C.answer()) }\nfunc main() {}\n",
	"lost/c.go": "package main\n// #cgo LDFLAGS: -L${SRCDIR} -lgone\n// int gone(void);\n" +
		"import \"C\"\nfunc Answer() int { return int(C.gone()) }\nfunc main() {}\n",
	"gone.c": "int gone(void) { return 3; }\n",

	"sys/go.mod":       "module golang.org/x/sys\ngo 1.26\n",
	"sys/unix/unix.go": "package unix\n\nfunc Getpid() int { return 0 }\n",
	"foreign/foreign.go": `package main
		import "golang.org/x/sys/unix"
		var Plugin = unix.Getpid
		func main() {}`,

	"tool/tool.go": "package main\nfunc main() {}\n",
}

// later is a later state of the same module: the contract has moved by a line, private has another value behind the same interface.
// It stands in the same place, since the hash of a package covers its path.
var later = map[string]string{
	"contract/contract.go": "package contract\n\n// Descriptor describes.\ntype Descriptor struct{ Name string }\n",
	"private/private.go":   "package private\n\nvar secret = 2\n\n//go:noinline\nfunc Secret() int { return secret }\n",
	"beta/beta.go": `package main
		import "example.com/app/private"
		var Plugin = 1
		func Secret() int { return private.Secret() }
		func main() {}`,
	"gamma/gamma.go": `package main
		import "example.com/app/contract"
		var Plugin = contract.Descriptor{Name: "gamma"}
		func main() {}`,
}

func TestMain(m *testing.M) {
	if path := os.Getenv(openEnv); path != "" {
		os.Exit(openChild(path))
	}
	if os.Getenv(childEnv) != "" {
		os.Exit(m.Run())
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "native")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		if dir, err = filepath.EvalSymlinks(dir); err == nil {
			err = buildImages(dir)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "build images:", err)
			return 1
		}
		os.Setenv(imagesEnv, dir)
		return m.Run()
	}())
}

// image is the path of an image that TestMain has built.
func image(name string) string {
	return filepath.Join(os.Getenv(imagesEnv), name+".so")
}

func buildImages(dir string) error {
	src := filepath.Join(dir, "src")
	if err := write(src, sources); err != nil {
		return err
	}
	lib := src + "/lost/libgone.so"
	if out, err := exec.Command("gcc", "-shared", "-fPIC", "-o", lib, src+"/gone.c").CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	err := buildAll(src, dir, map[string]string{
		"alpha": "alpha.so", "first_g0123456789ab": "first.so", "second_g0123456789ab": "second.so", "cone": "cone.so", "ctwo": "ctwo.so",
		"lost": "lost.so", "foreign": "foreign.so", "tool": "tool", "./tool": "tool-nocgo",
	})
	if err != nil {
		return err
	}
	for _, name := range []string{"first", "second"} {
		err := SealFile(filepath.Join(dir, name+".so"), func(pkg string) bool { return strings.HasSuffix(pkg, "_g0123456789ab") }, Seal{})
		if err != nil {
			return err
		}
	}
	if err := os.Remove(lib); err != nil { // the loader must not find it any more
		return err
	}
	if err := write(src, later); err != nil {
		return err
	}
	return buildAll(src, dir, map[string]string{"beta": "beta.so", "gamma": "gamma.so"})
}

func write(dir string, files map[string]string) error {
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// buildAll builds packages into the files that they map to, two at a time.
func buildAll(src, dir string, packages map[string]string) error {
	flags := []string{"build", "-ldflags=-w"}
	race := false
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, s := range b.Settings { // an image must be built as its host is
			if s.Key == "-race" || s.Key == "-trimpath" || s.Key == "-gcflags" {
				flags = append(flags, s.Key+"="+s.Value)
				race = race || s.Key == "-race"
			}
		}
	}
	errs := make(chan error)
	gate := make(chan struct{}, 2)
	for pkg, name := range packages {
		go func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			args := append(flags[:len(flags):len(flags)], "-o", filepath.Join(dir, name))
			cgo := "CGO_ENABLED=1"
			if strings.HasSuffix(name, ".so") {
				args = append(args, "-buildmode=plugin")
			} else if strings.HasSuffix(name, "-nocgo") {
				if cgo = "CGO_ENABLED=0"; race { // which needs cgo
					errs <- nil
					return
				}
			}
			cmd := exec.Command("go", append(args, "./"+pkg)...)
			cmd.Dir = src
			cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off", cgo)
			out, err := cmd.CombinedOutput()
			if err != nil {
				err = fmt.Errorf("build %s: %w\n%s", pkg, err, out)
			}
			errs <- err
		}()
	}
	var all []error
	for range packages {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

// child runs body in a process of its own, with some variables more in its environment.
func child(t *testing.T, body func(t *testing.T), env ...string) {
	t.Helper()
	if os.Getenv(childEnv) != "" {
		body(t)
		return
	}
	t.Parallel()
	if out, err := runChild(t, env...); err != nil {
		t.Fatalf("child: %v\n%s", err, out)
	}
}

// children bounds how many child processes run at once.
var children = make(chan struct{}, 2)

// runChild runs the test that calls it again in a child process, and returns what it printed.
func runChild(t *testing.T, env ...string) ([]byte, error) {
	children <- struct{}{}
	defer func() { <-children }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v=true")
	cmd.Env = append(append(os.Environ(), childEnv+"=1"), env...)
	return cmd.CombinedOutput()
}

// mustOpen opens an image that nothing stands against.
func mustOpen(t *testing.T, path string) *Image {
	t.Helper()
	im, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// force opens an image without judging it first.
func force(t *testing.T, path string) (*Image, error) {
	t.Helper()
	info, file, err := inspectFile(path, false)
	if err != nil {
		t.Fatal(err)
	}
	a := &attempt{path: path, file: file, info: info, done: make(chan struct{})}
	opened.turn <- struct{}{}
	opened.begin(a)
	return opened.wait(t.Context(), a)
}

// call calls an exported function of an image.
func call(t *testing.T, im *Image, name string) int {
	t.Helper()
	f, err := Lookup[func() int](im, name)
	if err != nil {
		t.Fatal(err)
	}
	return (*f)()
}

// copyFile writes a copy of a file with a change made to it.
func copyFile(t *testing.T, from string, change func([]byte) []byte) string {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), filepath.Base(from))
	if err := os.WriteFile(to, change(b), 0o644); err != nil {
		t.Fatal(err)
	}
	return to
}

func unchanged(b []byte) []byte { return b }

// facts are those of an image that TestMain has built; a test may change its copy.
func facts(t *testing.T, path string) *Info {
	t.Helper()
	i, err := InspectFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return i
}
