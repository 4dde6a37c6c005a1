package slim

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sohost/sohost/internal/executable"
)

func TestRename(t *testing.T) {
	f := newFile(elf.ET_REL, elf.EM_X86_64)
	f.symbol("fmt.Println.abiinternal", elf.STT_NOTYPE, 0, 0, 0)
	f.symbol("runtime.lastmoduledatap", elf.STT_NOTYPE, 0, 0, 0)
	f.symbol("p.own.abiinternal", elf.STT_FUNC, 0, 8, 1)
	f.symbol("runtime.addmoduledata", elf.STT_FUNC, 0, 8, 1)
	f.symbol("example.com/m_g.main", elf.STT_FUNC, 0, 8, 1)
	f.symbol("p.variable", elf.STT_OBJECT, 0, 8, 1)
	f.symbol("type:p.T", elf.STT_OBJECT, 0, 8, 1)
	f.symbol("type:.namedata.F", elf.STT_OBJECT, 0, 8, 1)
	file := filepath.Join(t.TempDir(), "go.o")
	write := func(content []byte) {
		t.Helper()
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(f.object(make([]byte, 16)))
	if err := Rename(file, "example.com/m_g"); err != nil {
		t.Fatal(err)
	}
	object, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer object.Close()
	symbols, err := object.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	var names, hidden []string
	for _, s := range symbols {
		names = append(names, s.Name)
		if elf.ST_VISIBILITY(s.Other) == elf.STV_HIDDEN {
			hidden = append(hidden, s.Name)
		}
	}
	want := []string{"fmt.Println", "runtime.lastmoduledatap", "p.own.abiinternal", "sohost:runtime.addmoduledata", "example.com/m_g.main", "p.variable", "type:p.T",
		"type:.namedata.F"}
	if !slices.Equal(names, want) || !slices.Equal(hidden, []string{want[2], want[3], want[7]}) {
		t.Errorf("got %v, and %v hidden", names, hidden)
	}
	write(f.library(nil, 0, nil))
	if err := Rename(file, ""); err == nil {
		t.Error("a library was taken for an object")
	}
}

// TestDropSymbols drops the symbols of what the C compiler makes, and runs it.
func TestDropSymbols(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(filepath.Join(dir, "p.c"), []byte("int f(void) { return 7; }\nint main(void) { return f(); }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-rdynamic", "-o", program, filepath.Join(dir, "p.c")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	before, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	after, err := DropSymbols(bytes.Clone(before))
	if err != nil {
		t.Fatal(err)
	}
	if err := executable.Write(program, after); err != nil {
		t.Fatal(err)
	}
	if err := exec.Command(program).Run(); err == nil || err.Error() != "exit status 7" {
		t.Errorf("it ended with %v", err)
	}
	old, err := elf.NewFile(bytes.NewReader(before))
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(after))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Symbols(); err == nil || len(after) >= len(before) {
		t.Errorf("%d of %d bytes are left, with symbols", len(after), len(before))
	}
	for _, s := range old.Sections {
		if s.Type == elf.SHT_SYMTAB || s.Name == ".strtab" || s.Name == ".shstrtab" || s.Type == elf.SHT_NULL || s.Type == elf.SHT_NOBITS {
			continue
		}
		want, err := s.Data()
		if err != nil {
			t.Fatal(err)
		}
		kept := f.Section(s.Name)
		if kept == nil {
			t.Errorf("%s is gone", s.Name)
			continue
		}
		if got, err := kept.Data(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs, %v", s.Name, err)
		}
		if linked := old.Sections[s.Link]; s.Link > 0 && f.Sections[kept.Link].Name != linked.Name {
			t.Errorf("%s belongs to %s, not to %s", s.Name, f.Sections[kept.Link].Name, linked.Name)
		}
	}
	if again, err := DropSymbols(bytes.Clone(after)); err != nil || !bytes.Equal(again, after) {
		t.Errorf("it has symbols to drop again, %v", err)
	}
}
