package sohost_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sohost/sohost"

// An importRule says what one package may import besides the standard library. What those packages import is permitted
// as well.
type importRule struct {
	pkg   string // below the module; "." is the root
	knows string // packages of this module by the same names, and import path prefixes of others
	why   string
}

// The rules go from the bottom to the top: a package may import only packages that stand above it in this table.
var importRules = []importRule{
	{"abi", "", "plugins and host must agree on the exact version of every package that it imports"},
	{"abi/keep", "abi", "it is compiled into plugins"},
	{"abi/rows", "abi", "it is compiled into plugins"},
	{"native/internal/linknames", "", "it refers to the Go runtime alone"},
	{"native", "native/internal/linknames golang.org/x/sys", "any host of Go plugins can use it"},
	{"native/std", "", "any program can import it: it adds nothing but the standard library"},
	{"internal/regular", "golang.org/x/sys", "it opens files and doesn't know what they are for"},
	{"generations", "internal/regular golang.org/x/sys github.com/google/renameio/v2", "it stores bytes and counts references"},

	{"internal/cache", "abi", "it only stores values"},
	{"internal/events", "generations", "it keeps what it is told and asks nobody"},
	{"internal/lineprotocol", "abi abi/rows github.com/influxdata/line-protocol", "it reads and writes texts"},
	{"internal/headline", "", "it adds a line of any text to responses"},
	{"internal/inflight", "generations golang.org/x/sys", "it counts calls and makes none"},
	{"internal/crash", "generations native internal/inflight", "it reads crash reports and decides nothing"},
	{"internal/fault", "", "everything that can fail between processes asks it"},
	{"internal/executable", "", "it writes programs and starts none"},
	{"internal/files", "golang.org/x/sys", "it counts files of any kind"},
	{"internal/passing", "internal/fault golang.org/x/sys", "it carries messages and files without knowing what they mean"},
	{"internal/self", "", "it starts this program again and does nothing else"},
	{"internal/state", "abi", "it moves values and calls nothing of a plugin but their own methods"},
	{"internal/scratch", "golang.org/x/sys", "it makes folders and doesn't know what they are for"},
	{"internal/wall", "internal/scratch golang.org/x/sys", "it runs programs of any kind and knows no images"},
	{"internal/owners", "golang.org/x/sys", "it looks at files and doesn't know what they are for"},
	{"internal/watch", "golang.org/x/sys", "it reports changed files and doesn't know what is in them"},
	{"internal/goobj", "", "it reads what the compiler writes and decides nothing"},
	{"internal/slim", "internal/goobj", "it rewrites files for linkers and knows no images"},
	{"internal/adapter", "abi", "it says what an adapter is and knows none"},
	{"internal/adapters/krakend", "abi internal/adapter", "an adapter knows its API and this program's contract"},
	{"internal/adapters/traefik", "abi internal/adapter github.com/go-viper/mapstructure/v2", "an adapter knows its API and this program's contract"},
	{"internal/adapters/traefik/wrap", "internal/adapters/traefik github.com/goccy/go-yaml", "it writes sources and calls no plugin"},
	{"internal/adapters/tyk", "abi internal/adapter", "an adapter knows its API and this program's contract"},
	{"internal/adapters", "abi native internal/adapter internal/adapters/krakend internal/adapters/traefik internal/adapters/tyk", "it tells APIs apart and calls no plugin"},
	{"internal/build", "abi generations native internal/adapters internal/adapters/traefik internal/adapters/traefik/wrap internal/goobj internal/scratch internal/slim", "it makes images and loads none"},

	{"internal/buffers", "", "it holds texts, and doesn't read them"},
	{"internal/spool", "internal/buffers internal/fault golang.org/x/sys", "it keeps records and doesn't know what is in them"},
	{"internal/pidfd", "internal/fault golang.org/x/sys", "it looks at processes of any kind"},
	{"internal/ratio", "", "it measures, for benchmarks"},
	{"internal/clone", "", "it changes bytes, for tests and benchmarks"},
	{"internal/program", "", "it starts programs of any kind, for scripts and benchmarks"},
	{"internal/routes", "", "it finds values of any kind by their paths"},
	{"internal/suggest", "", "it compares texts"},
	{"internal/terminal", "golang.org/x/sys", "it knows terminals and nothing of what is shown on them"},
	{"internal/backend", "", "it knows no plugin"},
	{"internal/sockets", "", "it reads what the kernel tells of sockets and locks"},
	{"internal/sockets/socketstest", "golang.org/x/sys/unix", "it keeps addresses free for tests"},
	{"internal/instance", "abi native internal/adapter internal/adapters internal/crash internal/inflight internal/pidfd internal/self internal/state internal/suggest internal/wall golang.org/x/sys",
		"it is the border to plugin code, and decides nothing about releases"},
	{"internal/checkpoint", "abi generations internal/regular internal/state", "it keeps files and calls no plugin"},
	{"internal/blame", "generations native internal/crash internal/inflight", "it decides on facts and runs no plugin"},
	{"internal/triggers", "abi generations internal/routes github.com/netresearch/go-cron", "it calls plugins through a function and knows no HTTP but its handlers"},
	{"internal/dryrun", "abi generations internal/adapter internal/cache internal/checkpoint internal/instance internal/lineprotocol internal/self internal/state internal/triggers internal/wall golang.org/x/sys",
		"it calls a plugin in a process of its own and knows no Host"},
	{"internal/ledger", "generations", "it knows what is current on disk and runs no plugin"},

	{"internal/backlog", "abi internal/lineprotocol internal/spool internal/triggers", "it keeps writes and calls no plugin"},

	{".", "abi generations native internal/adapter internal/adapters internal/blame internal/cache internal/checkpoint internal/crash internal/inflight internal/instance internal/ledger " +
		"internal/backend internal/files internal/headline internal/owners internal/passing internal/pidfd internal/regular internal/routes internal/sockets internal/state internal/suggest internal/triggers internal/watch golang.org/x/sys",
		"other programs embed it: no command line, no configuration, no build"},

	{"internal/sinks", "abi abi/rows internal/buffers internal/lineprotocol internal/regular internal/sockets internal/spool golang.org/x/sys github.com/google/renameio/v2", "it stores rows and calls no plugin"},
	{"internal/query", "abi internal/regular", "it asks databases and calls no plugin"},
	{"internal/writes", "abi internal/buffers internal/lineprotocol", "it answers clients and doesn't know who takes what they write"},

	{"internal/otlp", "", "it sends spans and doesn't know what they are of"},
	{"internal/otlp/otlptest", "go.opentelemetry.io/proto/slim/otlp google.golang.org/protobuf", "it takes spans in tests"},
	{"internal/server/conns", "internal/fault internal/headline golang.org/x/sys", "it moves connections and doesn't know the host"},
	{"internal/server/certs", "internal/regular internal/watch", "it reads certificates and doesn't know who serves with them"},
	{"internal/server/certstest", "internal/server/certs", "it makes certificates for tests"},
	{"internal/server/listener", "internal/files internal/headline internal/server/certs internal/server/conns internal/sockets golang.org/x/sys/unix", "it serves any handler and doesn't know the host"},
	{"internal/server/systemd", "golang.org/x/sys github.com/coreos/go-systemd/v22", "it speaks to systemd and doesn't know the host"},
	{"internal/server/hooks", "generations internal/events", "it tells of events and changes nothing"},
	{"internal/server/control", ". generations golang.org/x/sys internal/backlog internal/dryrun internal/events internal/files internal/otlp internal/pidfd internal/server/hooks internal/sinks internal/sockets", "it serves a Host, whichever process has it"},
	{"internal/server/spans", ". generations internal/events internal/otlp", "it tells of events and changes nothing"},
	{"internal/server/metrics", ". generations internal/events internal/otlp internal/server/control internal/server/hooks internal/sinks", "it shows a status and changes nothing"},
	{"internal/server/console", "internal/regular", "it shows what package control answers, and knows only its form"},
	{"internal/server/worker", ". abi generations internal/backlog internal/events internal/fault internal/files internal/lineprotocol internal/passing internal/server/certs internal/server/conns internal/server/control internal/server/hooks internal/server/listener internal/query internal/sinks internal/spool internal/writes",
		"it doesn't know who started it"},
	{"internal/server/supervisor", ". generations native internal/crash internal/events internal/fault internal/inflight internal/otlp internal/passing internal/regular internal/self internal/server/certs internal/server/console internal/server/control internal/server/hooks internal/server/listener internal/server/metrics internal/server/spans internal/files internal/pidfd " +
		"internal/server/systemd internal/server/worker golang.org/x/sys", "it runs workers, and they load the plugins"},
	{"cmd/sohost", ". generations native native/std internal/adapter internal/adapters internal/backlog internal/build internal/checkpoint internal/crash internal/dryrun internal/events internal/instance internal/otlp internal/program internal/query internal/regular internal/routes internal/scratch internal/self internal/sinks internal/sockets internal/state internal/suggest internal/terminal internal/watch internal/writes internal/server/certs internal/server/console internal/server/control internal/server/hooks internal/server/listener internal/server/supervisor " +
		"internal/server/systemd internal/server/worker golang.org/x/sys github.com/lmittmann/tint github.com/pelletier/go-toml/v2 " +
		"github.com/rogpeppe/go-internal github.com/spf13 github.com/inconshreveable/mousetrap", "the only place for flags, configuration files and terminal output"},

	{"integration", "", "its tests use the programs as users do"},
	{"packaging", "", "its tests use the packages as administrators do"},
	{"plugins/internal/trial", "abi internal/lineprotocol", "it runs plugins in their tests"},
	{"plugins/counter", "abi", "an example uses only what any plugin can use"},
	{"plugins/downsample", "abi abi/keep abi/rows", "an example uses only what any plugin can use"},
	{"plugins/lastvalue", "abi abi/keep abi/rows", "an example uses only what any plugin can use"},
	{"plugins/statechange", "abi abi/keep abi/rows", "an example uses only what any plugin can use"},
	{"plugins/threshold", "abi abi/keep abi/rows", "an example uses only what any plugin can use"},
	{"plugins/hello", "abi", "an example uses only what any plugin can use"},
	{"plugins/wordfreq/count", "", "it shows a package that only a plugin uses"},
	{"plugins/wordfreq", "abi abi/keep plugins/wordfreq/count gopkg.in/yaml.v3", "it shows a plugin that has dependencies"},
	{"scripts/imports", "", "tools for developers add no dependency"},
	{"scripts/job", "internal/program", "it uses the programs as users do"},
	{"scripts/keep", "", "tools for developers add no dependency"},
	{"scripts/mutate", "", "tools for developers add no dependency"},
}

// privateImports may be reached only from packages below one of the prefixes, whatever the rules above allow.
var privateImports = []struct{ what, from, why string }{
	{"internal/server", "internal/server cmd", "nobody below the server may depend on it"},
	{"internal/build", "cmd", "a host loads images and builds none"},
	{"internal/slim", "internal/build cmd", "a host loads images and builds none"},
	{"internal/goobj", "internal/slim internal/build cmd", "a host loads images and builds none"},
	{"github.com/spf13", "cmd", "only a command has a command line"},
	{"github.com/pelletier/go-toml/v2", "cmd", "only a command reads a configuration file"},
	{"github.com/lmittmann/tint", "cmd", "only a command colours its log"},
	{"abi/keep", "plugins", "it is code for plugins"},
	{"internal/program", "scripts cmd", "it prints, and no server needs it"},
}

// TestImports keeps imports pointing down, transitively and for every package of the module.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var pkgs []importedPackage
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var p importedPackage
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
	for _, fault := range checkImports(importRules, pkgs) {
		t.Error(fault)
	}
}

// TestImportRules shows what TestImports rejects.
func TestImportRules(t *testing.T) {
	rules := []importRule{
		{"low", "example.com/a", "it is low"},
		{"mid", "low", "it is in the middle"},
		{"cmd/x", "mid github.com/spf13", "it is a command"},
	}
	pkg := func(name, imports, deps string) importedPackage {
		return importedPackage{module + "/" + name, strings.Fields(imports), strings.Fields(imports + " " + deps)}
	}
	low, mid := pkg("low", "os example.com/a/b", ""), pkg("mid", module+"/low", "os example.com/a/b")
	cmd := pkg("cmd/x", module+"/mid github.com/spf13/cobra", module+"/low example.com/a/b")
	for _, test := range []struct {
		pkgs []importedPackage
		want string // among the faults; "" for none at all
	}{
		{[]importedPackage{low, mid, cmd}, ""},
		{[]importedPackage{low, mid, cmd, pkg("new", "", "")}, "new has no rule in importRules"},
		{[]importedPackage{low, mid}, "cmd/x has a rule and doesn't exist"},
		{[]importedPackage{low, pkg("mid", "example.com/a/b", ""), cmd}, "mid imports example.com/a/b: it is in the middle"},
		{[]importedPackage{low, mid, pkg("cmd/x", module+"/low", "")}, "cmd/x imports low: it is a command"},
		{[]importedPackage{pkg("low", "example.com/a", "example.com/b"), mid, cmd}, "low depends on example.com/b: it is low"},
		{[]importedPackage{pkg("low", module+"/mid", ""), mid, cmd}, "low imports mid: it is low"},
		{[]importedPackage{low, pkg("mid", module+"/low", "github.com/spf13/cobra"), cmd},
			"mid depends on github.com/spf13/cobra: only a command has a command line"},
	} {
		faults := checkImports(rules, test.pkgs)
		if test.want == "" && len(faults) > 0 || test.want != "" && !slices.Contains(faults, test.want) {
			t.Errorf("got %q, want %q", faults, test.want)
		}
	}
	upward := []importRule{{"low", "mid example.com/a", "it is low"}, rules[1], rules[2]}
	want := "low may import mid, which isn't above it in importRules"
	if faults := checkImports(upward, []importedPackage{low, mid, cmd}); !slices.Contains(faults, want) {
		t.Errorf("got %q, want %q", faults, want)
	}
}

// writers are the files that may change files without a generations.Folder or Store, besides those in generations and in packages that
// have no store. What is in the store is changed by its owner alone, and only while that has its lock.
var writers = map[string]string{
	"internal/executable/executable.go":      "programs, for tests and benchmarks",
	"internal/instance/settings_table.go":    "a file of the kernel",
	"internal/program/servers.go":            "configurations, for scripts",
	"internal/server/certstest/certstest.go": "certificates of tests",
	"internal/server/control/listen.go":      "the control socket, outside the store",
	"internal/server/supervisor/endpoint.go": "the control socket",
	"internal/server/supervisor/sockets.go":  "the files of listening sockets",
	"internal/sockets/unix.go":               "unix sockets, outside the store",
}

// TestWriters keeps all changes in the store behind the rule that nothing is written while the lock is lost.
func TestWriters(t *testing.T) {
	changes := regexp.MustCompile(`\b(os\.(Create|CreateTemp|WriteFile|Rename|Remove|RemoveAll|Mkdir|MkdirAll|Link|Symlink|Truncate|Chmod)|generations\.WriteFile)\(`)
	var files []string
	for _, pattern := range []string{"*.go", "internal/*/*.go", "internal/server/*/*.go"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	storeless := []string{"internal/build", "internal/scratch", "internal/slim", "internal/wall", "internal/watch", "internal/systemd",
		"internal/spool", "internal/sinks"} // they have locks of their own
	commands, err := filepath.Glob("cmd/sohost/*.go") // which write elsewhere, too, and in other ways
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range commands {
		if text, err := os.ReadFile(file); err != nil || bytes.Contains(text, []byte("generations.WriteFile(")) {
			t.Errorf("%s writes as what is in the store is written, but not through a generations.Folder, %v", file, err)
		}
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || slices.Contains(storeless, filepath.Dir(file)) || writers[file] != "" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if call := changes.Find(text); call != nil {
			t.Errorf("%s calls %s…): what is in the store is changed through a generations.Folder", file, call)
		}
	}
}

// TestExecutables keeps whatever tests and benchmarks start behind executable.Write: a program written in another way is sometimes busy when
// it is to be started.
func TestExecutables(t *testing.T) {
	writes := regexp.MustCompile(`\bos\.(WriteFile|OpenFile)\(.*\b0o?[0-7]*[1357][0-7]{0,2}\)`)
	for text, want := range map[string]bool{
		"os.WriteFile(name, b, 0o755)": true, "os.OpenFile(name, os.O_CREATE, 0700)": true, "os.WriteFile(n, b, 0o610); err": true,
		"os.WriteFile(name, b, 0o644)": false, "os.OpenFile(name, os.O_RDWR, 0)": false, "os.WriteFile(n, b, 0o600); err": false,
	} {
		if writes.MatchString(text) != want {
			t.Errorf("%s: found is %t", text, !want)
		}
	}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") && (filepath.Dir(path) != "bench" || filepath.Ext(path) != ".go") {
			return err
		}
		text, err := os.ReadFile(path)
		if call := writes.Find(text); call != nil && path != "imports_test.go" {
			t.Errorf("%s calls %s: executable.Write writes programs", path, call)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

type importedPackage struct {
	ImportPath    string
	Imports, Deps []string // Deps are transitive
}

func checkImports(rules []importRule, pkgs []importedPackage) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	all := map[string][]string{} // what each package may depend on, transitively
	for i, r := range rules {
		for _, name := range strings.Fields(r.knows) {
			if slices.ContainsFunc(rules[i:], func(upper importRule) bool { return upper.pkg == name }) {
				fault("%s may import %s, which isn't above it in importRules", r.pkg, name)
			}
			all[r.pkg] = append(append(all[r.pkg], name), all[name]...)
		}
		if !slices.ContainsFunc(pkgs, func(p importedPackage) bool { return shortName(p.ImportPath) == r.pkg }) {
			fault("%s has a rule and doesn't exist", r.pkg)
		}
	}
	for _, p := range pkgs {
		pkg := shortName(p.ImportPath)
		i := slices.IndexFunc(rules, func(r importRule) bool { return r.pkg == pkg })
		if i < 0 {
			fault("%s has no rule in importRules", pkg)
			continue
		}
		for _, path := range p.Imports {
			if name := shortName(path); name != "" && !permitted(name, strings.Fields(rules[i].knows)) {
				fault("%s imports %s: %s", pkg, name, rules[i].why)
			}
		}
		for _, path := range p.Deps {
			name := shortName(path)
			if name == "" {
				continue
			}
			if !slices.Contains(p.Imports, path) && !permitted(name, all[pkg]) {
				fault("%s depends on %s: %s", pkg, name, rules[i].why)
			}
			for _, private := range privateImports {
				mayReach := func(prefix string) bool { return within(pkg, prefix) }
				if within(name, private.what) && !slices.ContainsFunc(strings.Fields(private.from), mayReach) {
					fault("%s depends on %s: %s", pkg, name, private.why)
				}
			}
		}
	}
	return faults
}

// shortName returns the name that the rules have for path, and "" for the standard library.
func shortName(path string) string {
	if path == module {
		return "."
	}
	if name, ok := strings.CutPrefix(path, module+"/"); ok {
		return name
	}
	if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
		return ""
	}
	return path
}

// permitted reports whether name is one of allowed, or below one that is of another module.
func permitted(name string, allowed []string) bool {
	return slices.ContainsFunc(allowed, func(a string) bool {
		return name == a || strings.Contains(a, ".") && a != "." && within(name, a)
	})
}

func within(name, prefix string) bool { return name == prefix || strings.HasPrefix(name, prefix+"/") }
