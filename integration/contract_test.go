package integration

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// TestContract runs the program in testdata/contract/pricing, which calls its plugin by an interface of its own, and reloads the plugin, which
// is of another module, under load. The plugin takes no requests, and is given a service.
func TestContract(t *testing.T) {
	t.Parallel()
	e := newExample(t)
	p := newPlace(t)
	file := filepath.Join(p.plugins, "pricer.so")
	cheap := e.plugin.buildFor(e.program)
	e.plugin.edit("flat.go", "charge = 100", "charge = 200")
	dear := e.plugin.buildFor(e.program)
	install(t, cheap, file)
	d := startServer(t, p, e.program, p.store, file)

	load := startLoad(4, *steady, get(d.url+"/?item=apple&item=pear"))
	images := []*cloner{newCloner(t, dear, "example.com/flat"), newCloner(t, cheap, "example.com/flat")}
	for i := range repeated(20) {
		image := dear
		if i > 0 {
			image = images[i%2].clone(t)
		}
		mark := d.mark()
		install(t, image, file)
		if to := d.awaitReload(mark, "pricer"); to != short(t, image) {
			t.Errorf("reload to %s, want %s", to, short(t, image))
		}
		load.round(t)
		if answer, _ := d.get("/?item=apple"); answer != strconv.Itoa([]int{230, 130}[i%2]) {
			t.Errorf("reload %d: the price is %s", i, answer)
		}
	}
	answers := load.end(t)
	if wrong := slices.DeleteFunc(answers, func(a string) bool { return a == "175" || a == "275" }); len(wrong) > 0 {
		t.Errorf("wrong prices: %v", wrong)
	}
	if len(answers) == 0 {
		t.Error("no request was answered")
	}
	if _, _, err := send(impatient, get(d.url+"/?item=plum")); err == nil || err.Error() != "404 Not Found: unknown item: plum\n" {
		t.Errorf("an item without a price: %v", err) // the program knows the plugin's error as its own
	}
	d.terminate()
}

// example has the modules in testdata/contract, to be edited by a test.
type example struct {
	dir     string
	program string // of the module pricing
	plugin  *source
}

func newExample(t *testing.T) *example {
	t.Helper()
	e := &example{dir: t.TempDir()}
	if err := os.CopyFS(e.dir, os.DirFS("testdata/contract")); err != nil {
		t.Fatal(err)
	}
	e.plugin = &source{t: t, name: "flat", dir: filepath.Join(e.dir, "flat")}
	for _, module := range []string{"pricing", "flat"} {
		e.plugin.run(filepath.Join(e.dir, module), "go", "mod", "edit", "-replace=github.com/sohost/sohost="+repository)
	}
	e.program = filepath.Join(e.dir, "program")
	e.build(t)
	return e
}

// build builds the program.
func (e *example) build(t *testing.T) {
	t.Helper()
	var env []string
	if *arm64 {
		env = crossEnv()
	}
	if err := goBuild(filepath.Join(e.dir, "pricing"), e.program, ".", env); err != nil {
		t.Fatal(err)
	}
}
