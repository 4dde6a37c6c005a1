package native

import (
	"bytes"
	"debug/elf"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// uncalled are functions that the compiler knows and inserts no calls of into plugins, by their names or how these begin.
var uncalled = []struct {
	prefixes, why string
}{
	{"asan msan race libfuzzer addCovMeta", "instrumented code; such hosts get full images"},
	{"checkptr unsafeslicecheckptr unsafestringcheckptr", "-d=checkptr"},
	{"cgoCheck", "GOEXPERIMENT=cgocheck2"},
	{"slicecopy slicebytetostringtmp selectsetpc", "instrumented code: otherwise the compiler does that itself"},
	{"growsliceNoAlias growsliceBufNoAlias", "GOEXPERIMENT=runtimefreegc"},
	{"panicSimdImm", "GOEXPERIMENT=simd"},
	{"goschedguarded", "GOEXPERIMENT=preemptibleloops"},
	{"goPanic", "wasm: others have panicBounds"},
	{"makechan64 makemap64 makeslice64", "32 bits"},
	{"fadd fsub fmul fdiv feq fgt fge fint fuint f32to f64to fmin fmax", "software floating point"},
	{"armHas arm64Has loong64Has riscv64Has x86Has", "architectures; those of the host's are variables that it always has"},
	{"rand32", "declared, and called no more"},
}

// TestKeep compares the functions that the compiler inserts calls of, by its sources, with those that a program has that imports this
// package. A new release may add some: then keep_runtime.go must make the compiler use them.
func TestKeep(t *testing.T) {
	program := thinProgram(t)
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	has := map[string]bool{}
	for _, s := range symbols {
		if name, ok := strings.CutPrefix(s.Name, "runtime."); ok && s.Section != elf.SHN_UNDEF {
			has[strings.TrimSuffix(name, ".abi0")] = true
		}
	}
	exists := runtimeFunctions(t)
	called := compilerCalls(t)
	if len(called) < 200 || len(exists) < 1000 || len(has) < 1000 {
		t.Fatalf("the compiler calls %d functions, the runtime has %d, and the program %d", len(called), len(exists), len(has))
	}
	used := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(called)) {
		why := exempt(name)
		switch {
		case !exists[name], has[name]:
		case why == "":
			t.Errorf("the program lacks runtime.%s, and a slim image may need it: have keep_runtime.go use it", name)
		default:
			used[why] = true
		}
	}
	for _, name := range linknamed(t) {
		if !has[name] {
			t.Errorf("the program lacks runtime.%s, which images may refer to by linkname", name)
		}
	}
	if len(used) < 5 {
		t.Errorf("only %v keep functions out", slices.Sorted(maps.Keys(used)))
	}
}

// linknamed returns the names of the runtime's functions that package linknames keeps for the running release.
func linknamed(t *testing.T) (names []string) {
	release, _, _ := strings.Cut(strings.TrimPrefix(runtime.Version(), "go1."), ".")
	source, err := os.ReadFile("internal/linknames/go1" + release + ".go")
	if err != nil {
		t.Fatalf("%v: with a new release, run go generate ./native/internal/linknames", err)
	}
	for line := range strings.Lines(string(source)) {
		rest, ok := strings.CutPrefix(line, "//go:linkname ")
		if _, name, found := strings.Cut(strings.TrimSpace(rest), " runtime."); ok && found {
			names = append(names, name)
		}
	}
	if len(names) < 100 {
		t.Errorf("only %d functions are kept", len(names))
	}
	return names
}

func exempt(name string) string {
	for _, u := range uncalled {
		for prefix := range strings.FieldsSeq(u.prefixes) {
			if strings.HasPrefix(name, prefix) {
				return u.why
			}
		}
	}
	return ""
}

// thinProgram returns a program that imports this package and does nothing else: with -short this test, which does more.
func thinProgram(t *testing.T) string {
	if testing.Short() {
		return "/proc/self/exe"
	}
	return buildProgram(t, `import _ "github.com/sohost/sohost/native"`)
}

// buildProgram builds a program of this module that has these imports.
func buildProgram(t *testing.T, imports string) string {
	dir := t.TempDir()
	source, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	if err := write(dir, map[string]string{"main.go": "package main\n\n" + imports + "\n\nfunc main() {}\n"}); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-trimpath", "-o", program, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// compilerCalls returns the names of runtime functions that the compiler looks up, and those that it has declared to itself.
func compilerCalls(t *testing.T) map[string]bool {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	root := filepath.Join(strings.TrimSpace(string(out)), "src/cmd/compile/internal")
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && e.Name() == "testdata" {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if strings.HasSuffix(path, "_builtin/runtime.go") {
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok {
					names[f.Name.Name] = true
				}
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				lookedUp(call, names)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// lookedUp adds the name in a call such as typecheck.LookupRuntimeFunc("newobject").
func lookedUp(call *ast.CallExpr, names map[string]bool) {
	fn := fmt.Sprint(call.Fun)
	switch f := call.Fun.(type) {
	case *ast.SelectorExpr:
		fn = f.Sel.Name
	case *ast.Ident:
		fn = f.Name
	}
	if !strings.HasPrefix(fn, "LookupRuntime") && fn != "sysClosure" || len(call.Args) == 0 {
		return
	}
	if lit, ok := call.Args[0].(*ast.BasicLit); ok {
		if name, err := strconv.Unquote(lit.Value); err == nil {
			names[name] = true
		}
	}
}

// runtimeFunctions returns the functions that package runtime defines on this architecture.
func runtimeFunctions(t *testing.T) map[string]bool {
	out, err := exec.Command("go", "list", "-trimpath", "-export", "-f", "{{.Export}}", "runtime").Output()
	if err != nil {
		t.Fatal(err)
	}
	out, err = exec.Command("go", "tool", "nm", strings.TrimSpace(string(out))).Output()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for line := range bytes.Lines(out) {
		if _, name, ok := strings.Cut(strings.TrimSpace(string(line)), " T runtime."); ok {
			names[name] = true
		}
	}
	return names
}
