package native

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"testing"
)

// editable is a copy of an image whose headers a test changes.
type editable struct {
	*layout
	b []byte
}

// edit returns an editable copy of an image.
func edit(t testing.TB, original []byte) *editable {
	t.Helper()
	e := &editable{b: bytes.Clone(original)}
	f, err := readELF(bytes.NewReader(e.b), int64(len(e.b)))
	if err != nil {
		t.Fatal(err)
	}
	e.layout = newLayout(f)
	for _, rules := range stages {
		for _, r := range rules {
			if found := r.found(e.layout); found != "" {
				t.Fatalf("%s of the image itself: %s", r.name, found)
			}
		}
	}
	return e
}

func (e *editable) put64(off, v uint64)        { binary.LittleEndian.PutUint64(e.b[off:], v) }
func (e *editable) put32(off uint64, v uint32) { binary.LittleEndian.PutUint32(e.b[off:], v) }
func (e *editable) put16(off uint64, v uint16) { binary.LittleEndian.PutUint16(e.b[off:], v) }

// The places of the fields in a program header.
const (
	pType, pFlags, pOff, pVaddr, pFilesz, pMemsz, pAlign = 0, 4, 8, 16, 32, 40, 48
)

// prog returns where the n-th program header of a type is in the file, and the header.
func (e *editable) prog(t elf.ProgType, n int) (off uint64, p *elf.Prog) {
	for i, p := range e.f.Progs {
		if p.Type == t {
			if n--; n < 0 {
				return e.f.head.Phoff + uint64(i)*56, p
			}
		}
	}
	panic("no " + t.String())
}

// load returns where the program header of the segment with those flags is.
func (e *editable) loading(flags elf.ProgFlag) (off uint64, p *elf.Prog) {
	for i, p := range e.f.Progs {
		if p.Type == elf.PT_LOAD && p.Flags == flags {
			return e.f.head.Phoff + uint64(i)*56, p
		}
	}
	panic("no segment of " + flags.String())
}

// offset returns where an address is in the file.
func (e *editable) offset(addr uint64) uint64 {
	p := e.layout.load(addr, 1)
	return p.Off + addr - p.Vaddr
}

// entry returns where the n-th dynamic entry is; the tag is before the value.
func (e *editable) entry(n int) uint64 {
	_, p := e.prog(elf.PT_DYNAMIC, 0)
	return p.Off + uint64(n)*16
}

// dyn returns where the value of a dynamic entry is in the file, and the value.
func (e *editable) dyn(tag elf.DynTag) (off, v uint64) {
	for i, d := range e.dynamic {
		if d.Tag == int64(tag) {
			return e.entry(i) + 8, d.Val
		}
	}
	panic("no " + tag.String())
}

// table returns where the table that a dynamic entry names is in the file.
func (e *editable) table(tag elf.DynTag) uint64 {
	_, addr := e.dyn(tag)
	return e.offset(addr)
}

// spare turns the dynamic entry of a tag, which the loader can do without, into another.
func (e *editable) spare(from, to elf.DynTag, v uint64) {
	off, _ := e.dyn(from)
	e.put64(off-8, uint64(to))
	e.put64(off, v)
}

// asTLS makes a segment for thread-local storage, of one that the loader doesn't need if there is none.
func (e *editable) asTLS(memory, align uint64) {
	kind := elf.PT_TLS
	if e.only(kind) == nil {
		kind = elf.PT_GNU_EH_FRAME
	}
	off, _ := e.prog(kind, 0)
	e.put32(off+pType, uint32(elf.PT_TLS))
	e.put64(off+pMemsz, memory)
	e.put64(off+pFilesz, 8)
	e.put64(off+pAlign, align)
}

// asHash makes a table of the older kind of that of the newer, with a header of its own.
func (e *editable) asHash(buckets, symbols uint32) {
	at := e.table(elf.DT_GNU_HASH)
	_, addr := e.dyn(elf.DT_GNU_HASH)
	e.spare(elf.DT_GNU_HASH, elf.DT_HASH, addr)
	e.put32(at, buckets)
	e.put32(at+4, symbols)
}

// asCompact makes the beginning of the relocations compact ones.
func (e *editable) asCompact(entries ...uint64) {
	at := e.table(elf.DT_RELA)
	_, addr := e.dyn(elf.DT_RELA)
	for i, v := range entries {
		e.put64(at+uint64(i)*8, v)
	}
	e.spare(elf.DT_RELA, dtRelr, addr)
	e.spare(elf.DT_RELASZ, dtRelrSize, uint64(len(entries))*8)
	e.spare(elf.DT_RELAENT, dtRelrEntry, 8)
	e.spare(elf.DT_RELACOUNT, elf.DT_DEBUG, 0)
}

func (e *editable) hashFirst() uint64 {
	return uint64(binary.LittleEndian.Uint32(e.b[e.table(elf.DT_GNU_HASH)+4:]))
}

// hashChains returns where the chains of the hash table begin.
func (e *editable) hashChains() uint64 {
	at := e.table(elf.DT_GNU_HASH)
	return at + 16 + uint64(binary.LittleEndian.Uint32(e.b[at+8:]))*8 + uint64(binary.LittleEndian.Uint32(e.b[at:]))*4
}

// definedSymbol returns where a symbol is that the image defines.
func (e *editable) definedSymbol(t elf.SymType) uint64 {
	for i := range e.symbolCount() {
		if s := e.symbol(i); s.Shndx != 0 && elf.ST_TYPE(s.Info) == t {
			return e.table(elf.DT_SYMTAB) + i*elf.Sym64Size
		}
	}
	panic("no symbol of " + t.String())
}

func (e *editable) lastRelocation() uint64 {
	_, size := e.dyn(elf.DT_RELASZ)
	return e.table(elf.DT_RELA) + size - relaSize
}

// initializer returns where the relocation of the first initializer is.
func (e *editable) initializer() uint64 {
	_, addr := e.dyn(elf.DT_INIT_ARRAY)
	_, size := e.dyn(elf.DT_RELASZ)
	for at := e.table(elf.DT_RELA); size > 0; at, size = at+relaSize, size-relaSize {
		if binary.LittleEndian.Uint64(e.b[at:]) == addr {
			return at
		}
	}
	panic("no initializer")
}
