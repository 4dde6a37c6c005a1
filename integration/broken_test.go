package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestBrokenImages puts one unusable thing after the other in the place of a plugin's image. Each must be refused, with a
// reason in status, while the generation before serves on with its state.
func TestBrokenImages(t *testing.T) {
	t.Parallel()
	src := newSource(t, "counter")
	good := src.build()
	p := newPlace(t)
	file := filepath.Join(p.plugins, "counter.so")
	install(t, good, file)
	d := p.start(t, "--plugins", p.plugins)
	load := startLoad(4, steady, get(d.url+"/counter"))

	image, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	put := func(b []byte) func() {
		return func() {
			tmp := filepath.Join(p.plugins, ".incoming")
			if err := os.WriteFile(tmp, b, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(tmp, file); err != nil {
				t.Fatal(err)
			}
		}
	}
	plain := func(pkg string) func() {
		return func() {
			out := filepath.Join(t.TempDir(), "plain.so")
			goBuildPlain(t, out, pkg)
			install(t, out, file)
		}
	}
	otherArch := append([]byte(nil), image...)
	otherArch[18] = 183 // e_machine: AArch64
	if targetArch() == "arm64" {
		otherArch[18] = 62
	}
	tests := []struct {
		name  string
		act   func()
		wants string
	}{
		{"truncated at 39%", put(image[:len(image)*39/100]), "truncated"},
		{"empty file", put(nil), "empty"},
		{"text file", put([]byte("this is no image\n")), "ELF"},
		{"C shared library", func() { install(t, cLibrary(t), file) }, "C shared library"},
		{"Go executable", func() { install(t, tool, file) }, "Go executable"},
		{"other architecture", put(otherArch), "platform"},
		{"directory", func() { replace(t, file, func() error { return os.Mkdir(file, 0o755) }) }, "directory"},
		{"no symbol", plain("./integration/testdata/nosymbol"), "Plugin"},
		{"symbol of another type", plain("./integration/testdata/othertype"), "found *github.com/sohost/sohost/abi.Descriptor"},
		{"another ABI version", plain("./integration/testdata/otherabi"), "ABI 2"},
		{"FIFO", func() { replace(t, file, func() error { return unix.Mkfifo(file, 0o644) }) }, "regular"},
	}
	for _, test := range tests {
		mark := d.mark()
		test.act()
		refused := d.awaitRefusal(mark, "counter")
		if why := refused.text("why"); !strings.Contains(why, test.wants) {
			t.Errorf("%s: refused because %q, which doesn't mention %q", test.name, why, test.wants)
		}
		status := d.plugin("counter")
		if status.Refused == nil || status.Generation.Short() != short(t, good) {
			t.Errorf("%s: status has refused %v, generation %s", test.name, status.Refused, status.Generation.Short())
		}
		os.RemoveAll(file)
	}
	answers := load.end(t)
	checkCounted(t, answers)
}

// TestDeadlyInit loads images whose init ends or hangs every process that opens them. It must be another one than the server's.
func TestDeadlyInit(t *testing.T) {
	t.Parallel()
	s := newStateful(t, "fragile", "--open-timeout", "3s")
	load := startLoad(4, steady, get(s.url+"/fragile"))
	serving := s.plugin("fragile").Generation.Short()
	for _, test := range []struct{ body, wants string }{
		{"os.Exit(7)", "exit status 7"},
		{"panic(`no start`)", "no start"},
		{"fmt.Fprintln(os.Stderr, `dying`); syscall.Kill(os.Getpid(), syscall.SIGKILL)", "dying"},
		{"select {}", "time limit"},
	} {
		s.src.write("deadly.go", `package main

import (
	"fmt"
	"os"
	"syscall"
)

var _, _, _ = fmt.Print, os.Exit, syscall.Kill

func init() { `+test.body+" }\n")
		mark := s.mark()
		install(t, s.src.build(), s.file)
		l := s.awaitRefusal(mark, "fragile")
		if why := l.text("why"); l.text("phase") != "probe" || !strings.Contains(why, test.wants) {
			t.Errorf("init { %s }: refused at %s because %q, which doesn't mention %q", test.body, l.text("phase"), why, test.wants)
		}
	}
	if _, generation := s.get("/fragile"); generation != serving {
		t.Errorf("%s serves, want %s", generation, serving)
	}
	if err := os.Remove(filepath.Join(s.src.dir, "deadly.go")); err != nil {
		t.Fatal(err)
	}
	s.src.edit("fragile.go", "func main() {}", "// Mended.\nvar mended = true\n\nfunc main() {}")
	s.swap(s.src.build()) // the server is none the worse for it
	load.end(t)
}

// TestVanishingImage takes images away as they are being noticed. Whatever the server saw of them, it serves on, and takes
// the next that stays.
func TestVanishingImage(t *testing.T) {
	t.Parallel()
	src := newSource(t, "counter")
	good := src.build()
	clones := newCloner(t, good, "example.com/counter")
	p := newPlace(t)
	file := filepath.Join(p.plugins, "counter.so")
	install(t, good, file)
	d := p.start(t, "--plugins", p.plugins, "--settle", "1ms")
	load := startLoad(4, steady, get(d.url+"/counter"))
	for range repeated(5) {
		install(t, clones.clone(t), file)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	last := clones.clone(t)
	install(t, last, file)
	d.await(0, func(l line) bool { return l.text("msg") == "reloaded" && l.text("to") == short(t, last) })
	checkCounted(t, load.end(t))
}

// goBuildPlain builds a plugin as people do without sohost.
func goBuildPlain(t *testing.T, output string, args ...string) {
	t.Helper()
	flags := []string{"build", "-buildmode=plugin", "-trimpath", "-o", output}
	if raceEnabled {
		flags = append(flags, "-race")
	}
	var env []string
	if *arm64 {
		env = crossEnv()
	}
	if err := run(repository, env, "go", append(flags, args...)...); err != nil {
		t.Fatal(err)
	}
}

// replace removes what is at path and makes something else there.
func replace(t *testing.T, path string, make func() error) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	if err := make(); err != nil {
		t.Fatal(err)
	}
}

func cLibrary(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	c, so := filepath.Join(dir, "l.c"), filepath.Join(dir, "l.so")
	if err := os.WriteFile(c, []byte("int Plugin = 1;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cc := "gcc"
	if targetArch() == "arm64" {
		cc = "aarch64-linux-gnu-gcc"
	}
	if out, err := exec.Command(cc, "-shared", "-fPIC", "-o", so, c).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return so
}
