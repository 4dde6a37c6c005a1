package integration

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sohost/sohost/native"
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
	load := startLoad(4, *steady, get(d.url+"/counter"))

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
	sealed := filepath.Join(t.TempDir(), "sealed.so")
	if err := errors.Join(os.WriteFile(sealed, otherArch, 0o644), native.SealFile(sealed, isolatedPath.MatchString, native.Seal{})); err != nil {
		t.Fatal(err)
	}
	if otherArch, err = os.ReadFile(sealed); err != nil {
		t.Fatal(err)
	}
	flipped := append([]byte(nil), image...)
	flipped[len(flipped)/2] ^= 1
	tests := []struct {
		name  string
		act   func()
		wants string
	}{
		{"truncated at 39%", put(image[:len(image)*39/100]), "truncated"},
		{"empty file", put(nil), "empty"},
		{"text file", put([]byte("this is no image\n")), "ELF"},
		{"C shared library", func() { install(t, cLibrary(t), file) }, "C shared library"},
		{"Go executable", func() { install(t, tool, file) }, "executable"},
		{"other architecture", put(otherArch), "platform"},
		{"flipped bit", put(flipped), "damaged image: the content isn't what was built"},
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
	s := newCrashServer(t)
	first := newSourceOf(t, "crasher", filepath.Join("testdata", "crasher")).build()
	clones := newCloner(t, first, "example.com/crasher")
	file := filepath.Join(s.place.plugins, "crasher.so")
	install(t, first, file)
	s.daemon = s.place.start(t, "--plugins", s.place.plugins, "--open-timeout", "3s")
	load := startLoad(4, *steady, get(s.url+"/crasher"))
	for _, test := range []struct{ action, wants string }{
		{"exit now", "exit status 3"},
		{"panic now", "told to"},
		{"kill now", "dying"},
		{"hang", "time limit"},
	} {
		s.onStep("init", test.action)
		mark := s.mark()
		install(t, clones.clone(t), file)
		l := s.awaitRefusal(mark, "crasher")
		if why := l.text("why"); l.text("phase") != "probe" || !strings.Contains(why, test.wants) {
			t.Errorf("%s in init: refused at %s because %q, which doesn't mention %q", test.action, l.text("phase"), why, test.wants)
		}
	}
	if _, generation := s.get("/crasher"); generation != short(t, first) {
		t.Errorf("%s serves, want %s", generation, short(t, first))
	}
	s.onStep("init", "")
	mark, last := s.mark(), clones.clone(t)
	install(t, last, file) // the server is none the worse for it
	if to := s.awaitReload(mark, "crasher"); to != short(t, last) {
		t.Errorf("reload to %s, want %s", to, short(t, last))
	}
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
	load := startLoad(4, *steady, get(d.url+"/counter"))
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
func goBuildPlain(t *testing.T, output, pkg string, flags ...string) {
	t.Helper()
	var env []string
	if *arm64 {
		env = crossEnv()
	}
	if err := goBuild(repository, output, pkg, env, append(flags, "-buildmode=plugin")...); err != nil {
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
