package build

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sohost/sohost/native"
)

// shop is a host with a contract in its own module, which is nowhere published, and a plugin for it in another module.
type shop struct {
	*fixture
	host string
}

// shopHost is its program, built once: with -trimpath it is the same from every directory.
var shopHost struct {
	sync.Once
	content []byte
}

func newShop(t *testing.T) shop {
	t.Helper()
	s := shop{fixture: unpack(t, "contract")}
	s.host = filepath.Join(s.dir, "host")
	shopHost.Do(func() {
		s.goCommand("shop", nil, "build", "-trimpath", "-o", s.host, ".")
		shopHost.content = must(os.ReadFile(s.host))
	})
	if err := os.WriteFile(s.host, shopHost.content, 0o644); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s shop) goCommand(dir string, env []string, args ...string) {
	s.t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Env = filepath.Join(s.dir, dir), testEnv(env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("go %v: %v\n%s", args, err, out)
	}
}

func (s shop) options() Options {
	opts := s.fixture.options("./flat")
	opts.Host = s.host
	return opts
}

// load has the host open the images, and returns what it prints.
func (s shop) load(images ...string) string {
	s.t.Helper()
	out, err := exec.Command(s.host, images...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// copyContract gives the plugin a copy of the contract, in a module of its own in the plugin's directory.
func (s shop) copyContract() {
	s.t.Helper()
	if err := os.CopyFS(filepath.Join(s.dir, "flat/.shop/contract"), os.DirFS(filepath.Join(s.dir, "shop/contract"))); err != nil {
		s.t.Fatal(err)
	}
	write(s.t, filepath.Join(s.dir, "flat/.shop/go.mod"), "module example.com/shop\n\ngo 1.26.0\n\nrequire gopkg.in/yaml.v3 v3.0.1\n")
	s.edit("flat/go.mod", "=> ../shop", "=> ./.shop")
}

// TestContract builds the plugin for the host with the contract from every place where it may come from.
func TestContract(t *testing.T) {
	long(t)
	s := newShop(t)
	named, err := HostContracts(s.host)
	if diff := cmp.Diff([]Contract{{Package: "example.com/shop/contract", Module: "example.com/shop"}}, named); err != nil || diff != "" {
		t.Errorf("the host's contracts: %v (-want +got):\n%s", err, diff)
	}
	for _, test := range []struct {
		name string
		long bool
		prep func(opts *Options)
	}{
		{"replaced", false, func(*Options) {}},
		{"full", true, func(opts *Options) { opts.Full = true }},
		{"in a workspace", true, func(opts *Options) {
			write(t, filepath.Join(s.dir, "go.work"), "go 1.26.0\n\nuse (\n\t./flat\n\t./shop\n)\n\nreplace github.com/sohost/sohost v0.0.0 => "+
				must(filepath.Abs("../.."))+"\n")
			s.edit("flat/go.mod", "sohost v1.2.3", "sohost v0.0.0")
			opts.Env = append(opts.Env, "GOFLAGS=", "GOWORK="+filepath.Join(s.dir, "go.work"))
		}},
		{"vendored", true, func(opts *Options) {
			s.goCommand("flat", []string{"GOFLAGS="}, "mod", "tidy")
			s.goCommand("flat", []string{"GOFLAGS="}, "mod", "vendor")
			opts.Env = append(opts.Env, "GOFLAGS=-mod=vendor")
		}},
		{"copied", true, func(*Options) {
			os.RemoveAll(filepath.Join(s.dir, "flat/vendor"))
			s.copyContract()
		}},
	} {
		if test.long && testing.Short() {
			continue
		}
		s.edit("flat/main.go", "len(order.Notes.Value)", "len(order.Notes.Value)+10") // an image of its own
		opts := s.options()
		opts.Explain = true
		test.prep(&opts)
		r := s.buildWith(opts)
		checkExplained(t, r)
		if want := []string{"example.com/shop/contract", "gopkg.in/yaml.v3"}; !cmp.Equal(r.Contracts, want) {
			t.Errorf("%s: the contracts are %v, want %v", test.name, r.Contracts, want)
		}
		// The plugin sees what the host sets, takes its types and returns its errors.
		if got := s.load(r.Output); !regexp.MustCompile(`^1 1\d4 <nil> true\n$`).MatchString(got) {
			t.Errorf("%s: the host says %q", test.name, got)
		}
	}
}

// checkExplained checks what is said of the plugin's packages, one of each origin but private.
func checkExplained(t *testing.T, r *Result) {
	t.Helper()
	want := map[string]string{"example.com/flat": "fresh", "example.com/shop/contract": "contract", "gopkg.in/yaml.v3": "contract",
		abiPath: "abi", "fmt": "standard"}
	for _, p := range r.Packages {
		if w, ok := want[p.Package]; ok && p.Origin != w {
			t.Errorf("%s comes from %s, want %s", p.Package, p.Origin, w)
		}
		delete(want, p.Package)
		switch {
		case p.Package == "example.com/flat" && (p.Named != r.PluginPath || p.Size < 100 || p.Size > 1<<14):
			t.Errorf("the plugin's own: %+v", p)
		case p.Package == "gopkg.in/yaml.v3" && (p.Contract != "example.com/shop/contract" || p.Module != "gopkg.in/yaml.v3 v3.0.1" || p.Named != ""):
			t.Errorf("what the contract imports: %+v", p)
		}
	}
	if len(want) > 0 {
		t.Errorf("nothing is said of %v", want)
	}
}

// hashes match the hash of a package, which depends on the toolchain.
var hashes = regexp.MustCompile(`\b[0-9a-f]{16}\b`)

// TestContractChanged has another contract in the plugin than in the host, in every way, and shows what its author is told.
func TestContractChanged(t *testing.T) {
	s := newShop(t)
	s.copyContract()
	const contract = "flat/.shop/contract/contract.go"
	source := filepath.Join(s.dir, "flat/.shop/contract")
	whole := func(name string) []byte { return must(os.ReadFile(filepath.Join(s.dir, name))) }
	for _, test := range []struct {
		name   string
		change func()
		kind   error
		want   string
	}{
		{"field added", func() { s.edit(contract, "Item  string", "Item  string\n\tCount int") }, ErrImage,
			"unusable image: example.com/flat: image is rejected:\n" +
				"  wrong package: example.com/shop/contract: want HASH, found HASH; let the plugin's source in " + source +
				" be the one that the host was built from, or build the host again with it"},
		{"method added", func() {
			s.edit(contract, "Price(Order) (int, error)", "Price(Order) (int, error)\n\tName() string")
		}, ErrImage,
			"unusable image: example.com/flat: image is rejected:\n" +
				"  wrong package: example.com/shop/contract: want HASH, found HASH; let the plugin's source in " + source +
				" be the one that the host was built from, or build the host again with it"},
		{"dependency replaced", func() {
			s.edit("flat/go.mod", "replace (", "replace (\n\tgopkg.in/yaml.v3 => gopkg.in/yaml.v3 v3.0.0")
		}, ErrContract,
			"another contract: example.com/flat can't be built for this host:\n" +
				"  wrong package: gopkg.in/yaml.v3: want gopkg.in/yaml.v3 v3.0.1, because the contract example.com/shop/contract imports it, " +
				"found gopkg.in/yaml.v3 v3.0.0; run `go mod edit -dropreplace=gopkg.in/yaml.v3 && go get gopkg.in/yaml.v3@v3.0.1` " +
				"in the plugin's module; or build the host with the plugin's version"},
		{"dependency added", func() {
			s.edit(contract, "\"errors\"\n", "\"errors\"\n\n\t_ \"example.com/shop/money\"")
			write(t, filepath.Join(s.dir, "flat/.shop/money/money.go"), "package money\n")
		}, ErrContract,
			"another contract: example.com/flat can't be built for this host:\n" +
				"  wrong package: example.com/shop/money: want a contract example.com/shop/contract that doesn't import it, as in the host, " +
				"found one that does, from " + filepath.Join(s.dir, "flat/.shop/money") + "; let the plugin's source in " + source +
				" be the one that the host was built from, or build the host again with it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.kind == ErrImage {
				long(t)
			}
			before, mod := whole(contract), whole("flat/go.mod")
			defer func() {
				write(t, filepath.Join(s.dir, contract), string(before))
				write(t, filepath.Join(s.dir, "flat/go.mod"), string(mod))
			}()
			test.change()
			_, err := Build(context.Background(), s.options())
			if !errors.Is(err, test.kind) || !errors.Is(err, native.WrongPackage) {
				t.Fatalf("got %v, want %v", err, test.kind)
			}
			if diff := cmp.Diff(test.want, hashes.ReplaceAllString(err.Error(), "HASH")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	opts := s.options()
	opts.LDFlags = "-X example.com/shop/contract.x=1"
	_, err := Build(context.Background(), opts)
	refusal(t, err, ErrFlags)
	s.edit("flat/main.go", "func main() {}", "//sohost:fresh example.com/shop/contract\nfunc main() {}")
	_, err = Build(context.Background(), s.options())
	if r := refusal(t, err, ErrPackage); !strings.Contains(r.Remedy, "contracts are the server's") {
		t.Errorf("a contract that is to be fresh: %v", r)
	}
}

// TestRemedies tells what to do for each way in which the host has its contract.
func TestRemedies(t *testing.T) {
	exe := &native.Info{Main: debug.Module{Path: "example.com/shop", Version: "(devel)"}, Deps: []*debug.Module{
		{Path: "example.com/published", Version: "v1.2.0", Sum: "h1:x"},
		{Path: "example.com/forked", Version: "v1.0.0", Replace: &debug.Module{Path: "example.com/fork", Version: "v1.1.0", Sum: "h1:y"}},
		{Path: "example.com/local", Version: "v0.0.0", Replace: &debug.Module{Path: "../local"}},
	}, Settings: map[string]string{"vcs.revision": "0123456789abcdef", "vcs.modified": "true"}}
	trimmed := host{trimpath: true}
	for _, test := range []struct {
		host   host
		path   string
		module *listedModule
		want   string
	}{
		{trimmed, "example.com/published/c", &listedModule{Path: "example.com/published", Version: "v1.1.0"},
			"run `go get example.com/published@v1.2.0` in the plugin's module; or build the host with the plugin's version"},
		{trimmed, "example.com/published/c", &listedModule{Path: "example.com/published", Version: "v1.2.0", Replace: &listedModule{Path: "./copy"}},
			"run `go mod edit -dropreplace=example.com/published && go get example.com/published@v1.2.0` in the plugin's module; " +
				"or build the host with the plugin's version"},
		{trimmed, "example.com/forked", &listedModule{Path: "example.com/forked", Version: "v1.0.0"},
			"run `go mod edit -replace=example.com/forked=example.com/fork@v1.1.0 && go mod tidy` in the plugin's module, as the host " +
				"replaces it; or build the host with the plugin's version"},
		{trimmed, "example.com/local", &listedModule{Path: "example.com/local", Version: "v0.0.0", Replace: &listedModule{Path: "../x"}},
			"let the plugin's source in /src be the one that the host was built from, or build the host again with it"},
		{trimmed, "example.com/shop/c", &listedModule{Path: "example.com/shop", Main: true},
			"let the plugin's source in /src be the one that the host was built from (revision 0123456789ab, with changes), " +
				"or build the host again with it"},
		{host{}, "example.com/shop/c", nil,
			"build the host with -trimpath; without it, plugin and host must find example.com/shop/c in the same directory"},
	} {
		if got := contractRemedy(test.host, exe, &listed{ImportPath: test.path, Dir: "/src", Module: test.module}); got != test.want {
			t.Errorf("%s from %+v:\n got %s\nwant %s", test.path, test.module, got, test.want)
		}
	}
	for path, want := range map[string]string{
		"example.com/shop/c": "example.com/shop/c", "example.com/published/c": "example.com/published@v1.2.0/c",
		"example.com/forked": "example.com/forked@v1.0.0", "example.com/local/c": "example.com/local@v0.0.0/c",
	} {
		if dir, ok := recordedDir(&debug.BuildInfo{Main: exe.Main, Deps: exe.Deps}, path); dir != want || !ok {
			t.Errorf("%s is recorded in %s, want %s", path, dir, want)
		}
	}
}

// TestCheckHost refuses hosts that no plugin can be built for, before anything else.
func TestCheckHost(t *testing.T) {
	for _, exe := range []*native.Info{
		{ContractsFault: "it can't be read"},
		{Contracts: []string{"example.com/none"}, Packages: map[string]string{"example.com/other": "00"}},
	} {
		if r := refusal(t, checkHost("shop", exe), ErrHost); !strings.Contains(r.Remedy, "build the host again") {
			t.Errorf("%+v: %v", exe, r)
		}
	}
	if err := checkHost("shop", &native.Info{Contracts: []string{"p"}, Packages: map[string]string{"p": "00"}}); err != nil {
		t.Error(err)
	}
}
