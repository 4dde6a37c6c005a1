package slim

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
)

// TestStub makes a stub and reads it as the linker does.
func TestStub(t *testing.T) {
	h := newTestHost()
	part := h.descriptor("type:"+digest("example.com/long.Part"), 22, 8, []byte{1})
	h.descriptor("type:[2]p.T", kindArray, 16, []byte{3}, part, 0, 2)
	h.descriptor("type:p.S", 22, 80, []byte{0x55, 3})
	h.add("p.Both", elf.STT_FUNC, make([]byte, 16))
	h.add("p.Both.abi0", elf.STT_FUNC, make([]byte, 16))
	h.add("p.Assembly", elf.STT_FUNC, make([]byte, 16))
	h.add("p.Variable", elf.STT_OBJECT, make([]byte, 8))
	host := h.open(t)
	c := &Closure{needed: map[name]string{
		{"type:[2]p.T", 0}: "type:[2]p.T", {"type:p.S", 0}: "type:p.S", {"p.Both", 1}: "p.Both", {"p.Both", 0}: "p.Both.abi0",
		{"p.Assembly", 0}: "p.Assembly", {"p.Variable", 0}: "p.Variable",
	}}
	f, err := elf.NewFile(bytes.NewReader(c.Stub(host)))
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	kinds := make(map[string]elf.SymType)
	for _, s := range symbols {
		kinds[s.Name] = elf.ST_TYPE(s.Info)
	}
	for name, want := range map[string]elf.SymType{
		"p.Both.abiinternal": elf.STT_FUNC, "p.Both.abi0": elf.STT_FUNC, "p.Assembly": elf.STT_FUNC, "p.Variable": elf.STT_OBJECT,
		"type:p.S": elf.STT_OBJECT, "type:[2]p.T": elf.STT_OBJECT, "type:" + digest("example.com/long.Part"): elf.STT_OBJECT,
		markerSymbol: elf.STT_OBJECT,
	} {
		if got, ok := kinds[name]; got != want || !ok {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if len(kinds) != 8 {
		t.Errorf("the stub has %v", kinds)
	}
	// The linker follows a relocation to the element of the array, and the address in a descriptor to the mask.
	section := f.Section(".rodata")
	read := func(name string, offset, size uint64) []byte {
		i := slices.IndexFunc(symbols, func(s elf.Symbol) bool { return s.Name == name })
		b := make([]byte, size)
		if _, err := section.ReadAt(b, int64(symbols[i].Value+offset-section.Addr)); err != nil {
			t.Fatal(err)
		}
		return b
	}
	mask := make([]byte, 2)
	if _, err := section.ReadAt(mask, int64(binary.LittleEndian.Uint64(read("type:p.S", maskOffset, 8))-section.Addr)); err != nil || mask[0] != 0x55 || mask[1] != 3 {
		t.Errorf("the mask is %x, %v", mask, err)
	}
	relocations, err := f.SectionByType(elf.SHT_RELA).Data()
	if err != nil || len(relocations) != 24 {
		t.Fatalf("relocations: %x, %v", relocations, err)
	}
	info := binary.LittleEndian.Uint64(relocations[8:])
	if target := symbols[info>>32-1].Name; target != "type:"+digest("example.com/long.Part") || info&0xffffffff != uint64(elf.R_X86_64_64) {
		t.Errorf("a relocation to %s of type %d", target, info&0xffffffff)
	}
}

// TestStubGrows has so many types with masks that the stub's content moves many times while it is made.
func TestStubGrows(t *testing.T) {
	h := newTestHost()
	needed := make(map[name]string)
	mask := bytes.Repeat([]byte{0x55}, 64)
	for i := range 500 {
		text := fmt.Sprintf("type:p.T%d", i)
		h.descriptor(text, 22, uint64(len(mask))*64, mask)
		needed[name{text, 0}] = text
	}
	f, err := elf.NewFile(bytes.NewReader((&Closure{needed: needed}).Stub(h.open(t))))
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	section := f.Section(".rodata")
	content, err := section.Data()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symbols {
		if !isDescriptor(s.Name) {
			continue
		}
		at := binary.LittleEndian.Uint64(content[s.Value-section.Addr+maskOffset:]) - section.Addr
		if at > section.Size-uint64(len(mask)) || !bytes.Equal(content[at:][:len(mask)], mask) {
			t.Errorf("%s has its mask at %#x", s.Name, at)
		}
	}
}

func TestMangled(t *testing.T) {
	for name, want := range map[string]string{
		"type:string": "type:string", "type:runtime.moduledata": "type:runtime.moduledata", "type:*runtime.moduledata": "type:7qnT5j+c",
		"type:.eq.p.Long": "type:.", "strings.ToUpper": "strings.ToUpper", "p.F[go.shape.int]": "p.F[go.shape.int]", "p.F[a@b]": "p.F[",
	} {
		if got := mangled(name); got != want && (len(got) != len(want)+8 && len(got) != len(want)+9 || got[:len(want)] != want) {
			t.Errorf("%s is called %s", name, got)
		}
	}
}

func TestPackageOf(t *testing.T) {
	for name, want := range map[string]string{
		"strings.ToUpper": "strings", "gopkg.in/yaml%2ev3.(*T).M": "gopkg.in/yaml%2ev3", "type:*net/http.Server": "net/http",
		"type:map[string]int": "", "go:itab.*os.File,io.Reader": "os", "type:[]net/url.Error": "net/url", "slices.Sort[go.shape.[]a/b.T]": "slices",
		"runtime..inittask": "runtime", "memcpy": "",
	} {
		if got := packageOf(name); got != want {
			t.Errorf("%s belongs to %q, want %q", name, got, want)
		}
	}
}
