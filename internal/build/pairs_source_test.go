package build

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// known are the packages that random programs use. What pure ones have is called; of the others there are only references.
var known = []struct {
	packages string
	pure     bool
}{
	{"bytes encoding/hex hash/adler32 hash/crc32 html math math/bits mime net/netip net/url path regexp strconv strings text/template " +
		"unicode unicode/utf16 unicode/utf8 go/token", true},
	{"archive/tar archive/zip bufio compress/bzip2 compress/gzip compress/lzw container/list crypto/aes crypto/ecdsa crypto/hpke crypto/tls crypto/x509 " +
		"database/sql debug/dwarf debug/elf encoding/ascii85 encoding/asn1 encoding/csv encoding/gob encoding/json encoding/xml expvar " +
		"flag fmt go/ast go/parser go/types html/template image image/draw image/gif image/png index/suffixarray io io/fs log/slog " +
		"math/big math/rand/v2 mime/multipart net net/http net/http/httputil net/mail net/rpc net/smtp os os/exec os/signal reflect runtime/pprof sort sync " +
		"text/scanner text/tabwriter text/template/parse time unique", false},
}

// values are Go expressions of the types whose functions are called.
var values = map[string][]string{
	"string": {`"pear"`, `"4"`, `"a b/../c?x=1&y"`, `""`}, "int": {"0", "3", "-1", "12"}, "int64": {"0", "-7", "1 << 40"}, "uint64": {"0", "1 << 63"},
	"uint": {"5"}, "uint32": {"7", "1 << 31"}, "byte": {"'x'"}, "uint8": {"'x'"}, "uint16": {"513"}, "rune": {"'é'", "'A'", "-1"}, "int32": {"'é'", "'A'", "-1"},
	"bool": {"true"}, "float64": {"0", "2.5", "-1e300"}, "[]byte": {`[]byte("pear")`, "[]byte{0, 255}", "nil"}, "[]string": {`[]string{"b", "a"}`},
}

// world is what random programs are made from.
type world struct {
	calls map[string][]*types.Func // of pure packages
	refs  map[string][]string      // expressions, with @ for the package
	paths []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{calls: map[string][]*types.Func{}, refs: map[string][]string{}}
	pure := map[string]bool{}
	for _, k := range known {
		for path := range strings.FieldsSeq(k.packages) {
			w.paths = append(w.paths, path)
			pure[path] = k.pure
		}
	}
	w.read(stdTypes(t, w.paths))
	w.refs["unique"] = []string{"@Make[string]"} // all that it exports is generic
	for path := range w.calls {
		if !pure[path] {
			delete(w.calls, path)
		}
	}
	return w
}

// read adds what packages export.
func (w *world) read(packages []*types.Package) {
	for _, p := range packages {
		scope := p.Scope()
		for _, name := range scope.Names() {
			switch o := scope.Lookup(name).(type) {
			case *types.Func:
				if !o.Exported() || o.Signature().TypeParams() != nil {
					continue
				}
				w.refs[p.Path()] = append(w.refs[p.Path()], "@"+name)
				if w.calls != nil && callable(o.Signature()) {
					w.calls[p.Path()] = append(w.calls[p.Path()], o)
				}
			case *types.TypeName:
				if named, ok := o.Type().(*types.Named); ok && o.Exported() && named.TypeParams() == nil && !constraint(named) {
					w.refs[p.Path()] = append(w.refs[p.Path()], "(*@"+name+")(nil)")
				}
			}
		}
	}
}

// callable reports whether values has all parameters, and results print the same in every process.
func callable(s *types.Signature) bool {
	for v := range s.Params().Variables() {
		if values[v.Type().String()] == nil {
			return false
		}
	}
	for v := range s.Results().Variables() {
		name := v.Type().String()
		if values[name] == nil && name != "error" {
			return false
		}
	}
	return !s.Variadic() && s.Results().Len() > 0
}

// stdTypes returns the packages with their types.
func stdTypes(t *testing.T, paths []string) (pkgs []*types.Package) {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-trimpath", "-export", "-deps", "-json=ImportPath,Export"}, paths...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	exports := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var l struct{ ImportPath, Export string }
		if err := d.Decode(&l); err != nil {
			t.Fatal(err)
		}
		exports[strings.TrimPrefix(l.ImportPath, "vendor/")] = l.Export
	}
	imp := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	for _, path := range paths {
		p, err := imp.Import(path)
		if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
	return pkgs
}

// use returns imports and statements that use what n random packages have. The statements add to a variable all, by functions add,
// which calls what it gets, and refer.
func (w *world) use(rnd *rand.Rand, n int) (imports, statements string) {
	var i, s strings.Builder
	paths := slices.Clone(w.paths)
	rnd.Shuffle(len(paths), func(i, j int) { paths[i], paths[j] = paths[j], paths[i] })
	for k, path := range paths[:n] {
		name := fmt.Sprintf("p%d", k)
		fmt.Fprintf(&i, "\t%s %q\n", name, path)
		for range min(len(w.refs[path]), 1+rnd.IntN(4)) { // some export generic functions only
			fmt.Fprintf(&s, "\trefer(%s)\n", strings.ReplaceAll(pick(rnd, w.refs[path]), "@", name+"."))
		}
		for range min(len(w.calls[path]), 1+rnd.IntN(6)) {
			f := pick(rnd, w.calls[path])
			var args, results []string
			for v := range f.Signature().Params().Variables() {
				args = append(args, pick(rnd, values[v.Type().String()]))
			}
			for r := range f.Signature().Results().Len() {
				results = append(results, fmt.Sprintf("r%d", r))
			}
			fmt.Fprintf(&s, "\tadd(%q, func() []any { %s := %s.%s(%s); return []any{%[2]s} })\n", f.FullName(), strings.Join(results, ", "), name, f.Name(), strings.Join(args, ", "))
		}
	}
	return i.String(), s.String()
}

func pick[T any](rnd *rand.Rand, from []T) T { return from[rnd.IntN(len(from))] }

// common is what random programs have in common: it collects answers.
const common = `
var answers []any

func refer(v any) { answers = append(answers, fmt.Sprintf("%T", v)) }

func add(name string, call func() []any) {
	defer func() {
		if v := recover(); v != nil {
			answers = append(answers, name, v)
		}
	}()
	answers = append(answers, fmt.Sprintf("%s%q", name, call()))
}
`

// pluginSource returns a plugin that uses n packages.
func (w *world) pluginSource(rnd *rand.Rand, n int) string {
	return pluginSource(w.use(rnd, n))
}

func pluginSource(imports, statements string) string {
	return `package main

import (
	"context"
	"fmt"

	"github.com/sohost/sohost/abi"
` + imports + `)

var Plugin = abi.Descriptor{
	ABI: abi.Version,
	New: func(context.Context, abi.Host) (abi.Instance, error) { return instance{}, nil },
}

type instance struct{}

func (instance) String() string {
	answers = nil
` + statements + `	return fmt.Sprint(answers...)
}

func main() {}
` + common
}

// hostSource returns a host that uses n packages, and keeps what package std does or not. It answers for each image that it is given, in a
// line.
func (w *world) hostSource(rnd *rand.Rand, n int, std bool) string {
	imports, statements := w.use(rnd, n)
	if std {
		imports += "\t_ \"" + abiModule + "/native/std\"\n"
	}
	return `package main

import (
	"context"
	"fmt"
	"os"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/native"
` + imports + `)

func main() {
` + statements + `	for _, file := range os.Args[1:] {
		fmt.Printf("%q\n", answer(file))
	}
}

func answer(file string) string {
	info, err := native.InspectFile(file)
	if err != nil {
		return "refused: " + err.Error()
	}
	self, err := native.Self()
	if err != nil {
		return err.Error()
	}
	if err := native.Check(info, self, native.Requirements{Symbol: abi.Symbol, Shared: []string{"github.com/sohost/sohost/abi"}}); err != nil {
		return "refused: " + err.Error()
	}
	image, err := native.Open(context.Background(), file)
	if err != nil {
		return "not opened: " + err.Error()
	}
	descriptor, err := native.Lookup[abi.Descriptor](image, abi.Symbol)
	if err != nil {
		return err.Error()
	}
	instance, err := descriptor.New(context.Background(), nil)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(instance)
}
` + common
}

// constraint reports whether a type is that of no variable.
func constraint(t *types.Named) bool {
	i, ok := t.Underlying().(*types.Interface)
	return ok && !i.IsMethodSet()
}
