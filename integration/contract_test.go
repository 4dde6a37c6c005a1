package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
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

// TestContractChanged changes the contract in three ways, and shows what the author of a plugin and the one who runs the program are
// told. The program that has the changed contract serves as soon as the plugin was rebuilt for it.
func TestContractChanged(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program four times; TestContractChanged of internal/build has what a build says")
	}
	t.Parallel()
	e := newExample(t)
	p := newPlace(t)
	file := filepath.Join(p.plugins, "pricer.so")
	first := e.plugin.buildFor(e.program)
	install(t, first, file)
	d := startServer(t, p, e.program, p.store, file)
	if answer, _ := d.get("/?item=apple"); answer != "130" {
		t.Errorf("the price is %s", answer)
	}
	d.terminate()

	// Another contract: the image that was built for the one before is refused by name.
	e.edit("pricing/contract/contract.go", "Cents int64\n", "Cents int64\n\tDiscount int64\n")
	e.build(t)
	const changed = `wrong package: example.com/pricing/contract: want [0-9a-f]{16}, found [0-9a-f]{16}; ` +
		"let the plugin's source of it be the one that the host was built from, and build the plugin again with `sohost build --host HOST`"
	if out := e.check(t, first); !regexp.MustCompile(`pricer.so would be refused:\n  ` + changed + `\n`).MatchString(out) {
		t.Errorf("a field was added: %s", out)
	}
	d = startServer(t, p, e.program, p.store, file)
	refused := d.await(0, func(l line) bool { return strings.Contains(l.text("why"), "wrong package") })
	if !regexp.MustCompile(changed).MatchString(refused.text("why")) {
		t.Errorf("a field was added: the program logs %v", refused)
	}
	mark := d.mark()
	rebuilt := e.rebuild(t)
	install(t, rebuilt, file)
	if to := d.awaitReload(mark, "pricer"); to != short(t, rebuilt) {
		t.Errorf("reload to %s, want %s", to, short(t, rebuilt))
	}
	if answer, _ := d.get("/?item=apple"); answer != "130" {
		t.Errorf("the price is %s", answer)
	}

	// A plugin without the new method can be built, and is refused before it serves.
	d.terminate()
	e.edit("pricing/contract/contract.go", "(Price, error)\n", "(Price, error)\n\n\t// Name says how prices are made.\n\tName() string\n")
	e.build(t)
	install(t, e.rebuild(t), file)
	d = startServer(t, p, e.program, p.store, file)
	refused = d.await(0, func(l line) bool { return strings.Contains(l.text("why"), "instance lacks what the host requires") })
	if want := "a *main.pricer is no contract.Pricer; it lacks Name() string"; !strings.Contains(refused.text("why"), want) {
		t.Errorf("a method was added: the program logs %v", refused)
	}
	mark = d.mark()
	e.edit("flat/flat.go", "func main() {}", "func (p *pricer) Name() string { return \"flat\" }\n\nfunc main() {}")
	install(t, e.rebuild(t), file)
	d.awaitReload(mark, "pricer")
	d.terminate()

	// The program has another version of what the contract imports: the build says so before it compiles.
	e.plugin.run(filepath.Join(e.dir, "pricing"), "go", "mod", "edit", "-require=github.com/google/uuid@v1.5.0")
	e.plugin.run(filepath.Join(e.dir, "pricing"), "go", "mod", "tidy")
	e.build(t)
	out, err := exec.Command(tool, "build", "--host", e.program, "-o", filepath.Join(e.dir, "x.so"), filepath.Join(e.dir, "flat")).CombinedOutput()
	const want = "github.com/google/uuid: want github.com/google/uuid v1.5.0, because the contract example.com/pricing/contract imports it, " +
		"found github.com/google/uuid v1.6.0; run `go get github.com/google/uuid@v1.5.0` in the plugin's module; " +
		"or build the host with the plugin's version"
	if err == nil || !strings.Contains(string(out), want) {
		t.Errorf("a dependency was changed: %v, %s, want %s", err, out, want)
	}
}

// edit replaces a text in a file of the modules.
func (e *example) edit(file, from, to string) {
	module, rest, _ := strings.Cut(file, "/")
	(&source{t: e.plugin.t, dir: filepath.Join(e.dir, module)}).edit(rest, from, to)
}

// rebuild builds the plugin for the program as it is now.
func (e *example) rebuild(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "pricer.so")
	e.plugin.buildTo(out, e.program)
	return out
}

// check returns what `sohost check` prints of an image that the program would refuse.
func (e *example) check(t *testing.T, image string) string {
	t.Helper()
	out, err := exec.Command(tool, "check", "--host", e.program, image).CombinedOutput()
	if err == nil {
		t.Errorf("%s would load: %s", image, out)
	}
	return strings.ReplaceAll(string(out), "flat.so", "pricer.so")
}

// TestContractState moves a state of the contract's types to the next generation as it is, without a copy.
func TestContractState(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program and two images for what the unit tests of package state show with types of their own")
	}
	t.Parallel()
	e := newExample(t)
	e.edit("flat/flat.go", "type pricer struct{ services contract.Services }", `type pricer struct {
	services contract.Services
	sold     map[uuid.UUID]*contract.Price
}

func (p *pricer) Export(context.Context) (abi.State, error) {
	return abi.State{Schema: "sold", Version: 1, Value: p.sold}, nil
}

func (p *pricer) Adopt(value any) { p.sold = value.(map[uuid.UUID]*contract.Price) }

func (p *pricer) Import(_ context.Context, s abi.State) error {
	p.Adopt(s.Value)
	return nil
}
`)
	e.edit("flat/flat.go", "New: func(", "State: abi.State{Schema: \"sold\", Version: 1, Value: map[uuid.UUID]*contract.Price(nil)},\n\tNew: func(")
	e.edit("flat/flat.go", "&pricer{host.Services().(contract.Services)}", "&pricer{host.Services().(contract.Services), map[uuid.UUID]*contract.Price{}}")
	e.edit("flat/flat.go", "return price, nil", "p.sold[order.ID] = &price\n\tprice.Cents = int64(len(p.sold))\n\treturn price, nil")
	e.edit("flat/flat.go", "\"github.com/sohost/sohost/abi\"", "\"github.com/google/uuid\"\n\t\"github.com/sohost/sohost/abi\"")
	p := newPlace(t)
	file := filepath.Join(p.plugins, "pricer.so")
	install(t, e.rebuild(t), file)
	d := startServer(t, p, e.program, p.store, file)
	for i := range 3 {
		if i == 2 {
			e.edit("flat/flat.go", "charge = 100", "charge = 200")
			mark := d.mark()
			install(t, e.rebuild(t), file)
			moved := d.await(mark, func(l line) bool { return l.text("msg") == "reloaded" })
			if way := moved.text("state"); way != "reference" {
				t.Errorf("the state moved by %s: %v", way, moved)
			}
		}
		if answer, _ := d.get("/"); answer != strconv.Itoa(i+1) {
			t.Errorf("%s orders are known, want %d", answer, i+1)
		}
	}
	d.terminate()
}
