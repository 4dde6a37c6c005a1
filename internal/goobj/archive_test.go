package goobj

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// compile returns the archive of testdata/p.go, compiled with these flags.
func compile(t *testing.T, flags ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "p.a")
	args := append([]string{"tool", "compile", "-p=example.com/p", "-buildid=one/two", "-pack", "-o", file}, flags...)
	if out, err := exec.Command("go", append(args, "testdata/p.go")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return file
}

func TestArchive(t *testing.T) {
	a, err := ReadArchive(compile(t, "-dynlink", "-linkshared"))
	if err != nil {
		t.Fatal(err)
	}
	if a.BuildID != "one/two" || a.HasC || len(a.Objects) != 1 || a.Objects[0].Fingerprint == [8]byte{} || len(a.Objects[0].Imports()) != 0 {
		t.Fatalf("got %+v", a)
	}
	o := a.Objects[0]
	defined := make(map[string]int)
	for i := range o.Defined() {
		if s := o.Symbol(i); o.Named(i) {
			defined[s.Name] = i
		}
	}
	f, typ, v := o.Symbol(defined["example.com/p.F"]), o.Symbol(defined["type:example.com/p.T"]), o.Symbol(defined["example.com/p.V"])
	if !f.Kind.IsText() || f.ABI != ABIInternal || !typ.IsType() || typ.ABI != ABI0 || !v.Kind.HasPointers() || v.IsType() {
		t.Errorf("got %+v, %+v and %+v", f, typ, v)
	}
	refs := func(symbol string) (names []string) {
		for r := range o.Relocs(defined[symbol]) {
			if r.To.Index >= 0 {
				names = append(names, o.Symbol(r.To.Index).Name)
			}
		}
		return names
	}
	if names := refs("example.com/p.F"); !slices.Contains(names, "example.com/p.g") || !slices.Contains(names, "runtime.morestack_noctxt") {
		t.Errorf("F refers to %v", names)
	}
	if names := refs("type:example.com/p.T"); !slices.Contains(names, "type:string") {
		t.Errorf("T refers to %v", names)
	}
	ref, ok := o.GoType(defined["example.com/p.V"])
	if !ok || o.Symbol(ref.Index).Name != "type:[]*example.com/p.T" {
		t.Errorf("the type of V is %v, %v", ref, ok)
	}
	if data := o.Data(defined["type:example.com/p.T"]); len(data) < 48 || data[0] != 24 {
		t.Errorf("T's descriptor is %x", data)
	}
}

// TestForeign reads what refers to others by index. This hides nothing: who needs the name can see that it isn't there.
func TestForeign(t *testing.T) {
	a, err := ReadArchive(compile(t))
	if err != nil {
		t.Fatal(err)
	}
	foreign := 0
	for i := range a.Objects[0].Defined() {
		for r := range a.Objects[0].Relocs(i) {
			if r.To.Index == Foreign {
				foreign++
			}
		}
	}
	if foreign == 0 {
		t.Error("nothing refers to the runtime by index")
	}
}

func TestNoArchive(t *testing.T) {
	b, err := os.ReadFile(compile(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseArchive(b[:len(b)/2]); err == nil {
		t.Error("half an archive is read")
	}
	if _, err := parseArchive([]byte("text")); err == nil {
		t.Error("a text is read")
	}
	other := slices.Clone(b)
	for i := range other {
		if i+8 < len(other) && string(other[i:i+8]) == magic {
			copy(other[i:], "\x00go999ld")
		}
	}
	if _, err := parseArchive(other); !errors.Is(err, ErrFormat) {
		t.Errorf("another format: %v", err)
	}
}

// TestDamaged reads all of damaged archives. Whatever they hold, that ends.
func TestDamaged(t *testing.T) {
	b, err := os.ReadFile(compile(t, "-dynlink", "-linkshared"))
	if err != nil {
		t.Fatal(err)
	}
	for range 500 {
		damaged := slices.Clone(b)
		for range 1 + rand.IntN(8) {
			damaged[rand.IntN(len(b))] = byte(rand.Uint32())
		}
		a, err := parseArchive(damaged)
		if err != nil {
			continue
		}
		for _, o := range a.Objects {
			o.Imports()
			for i := range o.Defined() {
				o.Symbol(i)
				o.Named(i)
				o.Data(i)
				o.GoType(i)
				for r := range o.Relocs(i) {
					if r.To.Index >= 0 {
						o.Symbol(r.To.Index)
					}
				}
			}
		}
	}
}
