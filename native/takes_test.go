package native

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSymbolPackage(t *testing.T) {
	for name, want := range map[string]string{
		"strings.ToUpper":                                "strings",
		"encoding/json.(*Encoder).Encode":                "encoding/json",
		"net/http.Header.Get":                            "net/http",
		"type:*net/http.Request":                         "net/http",
		"type:[]*net/http.Cookie":                        "net/http",
		"type:.eq.net/netip.Addr":                        "net/netip",
		"type:int":                                       "",
		"type:func(string) error":                        "",
		"go:itab.*os.File,io.Reader":                     "os",
		"go:link.pkghashbytes.gopkg.in/yaml.v3":          "gopkg.in/yaml.v3",
		"gopkg.in/yaml%2ev3.Marshal":                     "gopkg.in/yaml.v3",
		"sync/atomic.(*Pointer[go.shape.int]).Load":      "sync/atomic",
		"slices.Sort[go.shape.[]string,example.com/x.T]": "slices",
		"runtime.gcWriteBarrier2":                        "runtime",
		"go:string.*":                                    "",
		"crosscall2":                                     "",
	} {
		if got := symbolPackage(name); got != want {
			t.Errorf("%s belongs to %q, want %q", name, got, want)
		}
	}
}

// TestProgramSymbols asks for all symbols that the program has, and for others, by its hash table and without.
func TestProgramSymbols(t *testing.T) {
	f, err := elf.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	var names, missing []string
	for _, s := range symbols {
		if s.Name == "" || elf.ST_BIND(s.Info) == elf.STB_LOCAL {
			continue
		}
		if s.Section != elf.SHN_UNDEF {
			names = append(names, s.Name, s.Name+"x", strings.TrimSuffix(s.Name, s.Name[len(s.Name)-1:]))
		} else {
			names = append(names, s.Name) // of a C library
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	defined := map[string]bool{}
	for _, s := range symbols {
		defined[s.Name] = defined[s.Name] || s.Section != elf.SHN_UNDEF
	}
	for _, n := range names {
		if !defined[n] {
			missing = append(missing, n)
		}
	}
	self, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	got, err := self.program.lacks(names)
	if err != nil || !slices.Equal(got, missing) || len(missing) < 1000 {
		t.Errorf("%d of %d names are missing, want %d (%v)", len(got), len(names), len(missing), err)
	}
	old := filepath.Join(t.TempDir(), "old")
	source := filepath.Join(t.TempDir(), "main.c")
	if err := os.WriteFile(source, []byte("int go_a; int main(void) { return 0; }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-rdynamic", "-Wl,--hash-style=sysv", "-o", old, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	process, err := ProcessOf(old)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := process.program.lacks([]string{"go_a", "go_b", "main"}); err != nil || !slices.Equal(got, []string{"go_b"}) {
		t.Errorf("without a GNU hash table %v is missing (%v)", got, err)
	}
	if err := os.Rename(source, old); err != nil {
		t.Fatal(err)
	}
	if missing, err := process.program.lacks([]string{"go_a"}); len(missing) > 0 || err != nil {
		t.Errorf("what it was found to define, %v is missing (%v)", missing, err)
	}
	if _, err := process.program.lacks([]string{"go_a", "go_b"}); err == nil || !strings.Contains(err.Error(), "replaced") {
		t.Errorf("of another file: %v", err)
	}
}

// TestSupplied shows what is said of an image that takes what the host lacks.
func TestSupplied(t *testing.T) {
	self, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	check := func(host *Process, takes ...string) error {
		img := clone(facts(t, image("alpha")))
		img.Takes = takes
		return Check(img, host, Requirements{})
	}
	if err := check(self, "runtime.newobject", "os/signal.Notify", "type:*os.File"); err != nil {
		t.Error(err)
	}
	if err := check(self.With("another.so", facts(t, image("cone"))), "runtime.newobject"); err != nil {
		t.Errorf("once another image is open: %v", err)
	}
	without := &Process{Executable: clone(self.Executable), program: self.program}
	delete(without.Executable.Packages, stdPath)
	err = check(without, "runtime.newobject", "strings.Nothing", "strings.Void", "type:*example.com/p.T")
	r := rejection(t, err)
	if err := err.Error(); !strings.Contains(err, "--full, which") || !strings.Contains(err, stdPath) {
		t.Error(err)
	}
	if len(r.Reasons) != 2 || !errors.Is(err, MissingSymbols) || r.NeedsNewProcess() {
		t.Fatal(err)
	}
	if s := r.Reasons[0]; s.Subject != "example.com/p" || s.Found != "one without type:*example.com/p.T" || s.Remedy == "" {
		t.Errorf("%+v", s)
	}
	if s := r.Reasons[1]; s.Subject != "strings" || s.Found != "one without strings.Nothing, strings.Void" || s.Remedy == "" {
		t.Errorf("%+v", s)
	}
	r = rejection(t, check(self, "type:AAAAAAAA", "strings.Nothing")) // a name that says nothing comes last
	if len(r.Reasons) != 2 || r.Reasons[0].Subject != "strings" || !strings.Contains(r.Reasons[0].Remedy, "--full, which") {
		t.Error(r)
	}
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf("p%03d.F", i))
	}
	if r := rejection(t, check(self, many...)); len(r.Reasons) != maxMissing+1 || r.Reasons[maxMissing].Subject != "88 more packages" {
		t.Error(r)
	}
	// What another reason explains isn't said again.
	host := &Process{Executable: clone(self.Executable), program: self.program}
	host.Executable.Packages["runtime"] = "00"
	if err := check(host, "runtime.Nothing"); !errors.Is(err, WrongPackage) || errors.Is(err, MissingSymbols) {
		t.Error(err)
	}
	if err := check(&Process{Executable: self.Executable}, "runtime.newobject"); !errors.Is(err, MissingSymbols) {
		t.Errorf("of a host of which only facts are known: %v", err)
	}
}
