package native

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

// violations has, by rule, changes of which each makes an image that the rule is for.
var violations = map[string][]func(e *editable){
	"header": {
		func(e *editable) { e.b[elf.EI_OSABI] = byte(elf.ELFOSABI_FREEBSD) },
		func(e *editable) { e.b[elf.EI_ABIVERSION] = 1 },
		func(e *editable) { e.put16(52, 63) },
	},
	"program headers": {
		func(e *editable) { // one more before the others, so that they stand at no multiple of 8
			copy(e.b[68:], e.b[64:64+56*len(e.f.Progs)])
			e.put64(32, 68)
		},
		func(e *editable) { off, _ := e.prog(elf.PT_NOTE, 0); e.put32(off+pType, uint32(elf.PT_PHDR)) },
	},
	"segments": {
		func(e *editable) { off, _ := e.prog(elf.PT_GNU_STACK, 0); e.put32(off+pType, uint32(elf.PT_NULL)) },
		func(e *editable) { off, _ := e.prog(elf.PT_GNU_RELRO, 0); e.put32(off+pType, uint32(elf.PT_DYNAMIC)) },
		func(e *editable) { off, _ := e.prog(elf.PT_GNU_RELRO, 0); e.put32(off+pType, uint32(elf.PT_SHLIB)) },
	},
	"segment sizes": {
		func(e *editable) { // what once ended a worker: memory is reserved for less than is mapped
			off, p := e.loading(elf.PF_R | elf.PF_W)
			e.put64(off+pMemsz, p.Filesz-8*pageSize)
		},
		func(e *editable) { off, p := e.loading(elf.PF_R | elf.PF_X); e.put64(off+pMemsz, p.Filesz+1) },
		func(e *editable) { off, _ := e.loading(elf.PF_R | elf.PF_W); e.put64(off+pMemsz, maxSpan+1) },
		func(e *editable) { off, _ := e.loading(elf.PF_R | elf.PF_W); e.put64(off+pVaddr, 1<<63) },
	},
	"segment order": {
		func(e *editable) { // the last segment to where another one is
			off, p := e.loading(elf.PF_R | elf.PF_W)
			e.put64(off+pVaddr, p.Vaddr%pageSize)
		},
		func(e *editable) { off, p := e.prog(elf.PT_LOAD, 1); e.put64(off+pVaddr, p.Vaddr-pageSize) },
	},
	"segment alignment": {
		func(e *editable) { off, p := e.loading(elf.PF_R | elf.PF_W); e.put64(off+pVaddr, p.Vaddr+8) },
		func(e *editable) { off, _ := e.prog(elf.PT_LOAD, 0); e.put64(off+pAlign, 1) },
		func(e *editable) { off, _ := e.prog(elf.PT_LOAD, 0); e.put64(off+pAlign, 3*pageSize) },
		func(e *editable) { off, _ := e.prog(elf.PT_LOAD, 0); e.put64(off+pAlign, 1<<40) },
	},
	"segment protection": {
		func(e *editable) { off, _ := e.loading(elf.PF_R | elf.PF_X); e.put32(off+pFlags, 7) },
		func(e *editable) { off, _ := e.loading(elf.PF_R | elf.PF_X); e.put32(off+pFlags, 1) },
		func(e *editable) { off, _ := e.loading(elf.PF_R | elf.PF_X); e.put32(off+pFlags, 13) },
	},
	"stack": {func(e *editable) { off, _ := e.prog(elf.PT_GNU_STACK, 0); e.put32(off+pFlags, 7) }},
	"relro": {
		func(e *editable) { off, _ := e.prog(elf.PT_GNU_RELRO, 0); e.put64(off+pVaddr, 0) },
		func(e *editable) { off, _ := e.prog(elf.PT_GNU_RELRO, 0); e.put64(off+pMemsz, 1<<30) },
	},
	"thread-local storage": {
		func(e *editable) { e.asTLS(1<<21, 8) },
		func(e *editable) { e.asTLS(4096, 24) },
		func(e *editable) { e.asTLS(4096, 1<<20) },
		func(e *editable) { e.asTLS(1, 8) },
	},
	"notes": {
		func(e *editable) { off, p := e.prog(elf.PT_NOTE, 0); e.put64(off+pMemsz, p.Memsz+8) },
		func(e *editable) { _, p := e.prog(elf.PT_NOTE, 0); e.put32(p.Off, 1<<20) },
		func(e *editable) { off, _ := e.prog(elf.PT_NOTE, 0); e.put64(off+pVaddr, 1<<40) },
		func(e *editable) {
			off, p := e.prog(elf.PT_NOTE, 0)
			e.put64(off+pMemsz, p.Memsz-8)
			e.put64(off+pFilesz, p.Filesz-8)
		},
	},
	"unwinding table": {func(e *editable) { off, _ := e.prog(elf.PT_GNU_EH_FRAME, 0); e.put64(off+pVaddr, 1<<40) }},

	"dynamic segment": {
		func(e *editable) { off, p := e.prog(elf.PT_DYNAMIC, 0); e.put64(off+pVaddr, p.Vaddr+8) },
		func(e *editable) { off, p := e.prog(elf.PT_DYNAMIC, 0); e.put64(off+pMemsz, p.Memsz+16) },
		func(e *editable) { // it doesn't end
			for i := range e.dynamic {
				e.put64(e.entry(i), uint64(elf.DT_DEBUG))
			}
			_, p := e.prog(elf.PT_DYNAMIC, 0)
			for at := p.Off; at < p.Off+p.Filesz; at += 16 {
				e.put64(at, uint64(elf.DT_DEBUG))
			}
		},
	},
	"dynamic entries": {
		func(e *editable) { e.spare(elf.DT_RELACOUNT, elf.DT_STRTAB, 0) },
		func(e *editable) { e.spare(elf.DT_GNU_HASH, elf.DT_DEBUG, 0) },
		func(e *editable) { e.spare(elf.DT_SYMENT, elf.DT_DEBUG, 0) },
	},
	"dynamic features": {
		func(e *editable) { e.spare(elf.DT_RELACOUNT, elf.DT_TEXTREL, 0) },
		func(e *editable) { e.spare(elf.DT_RELACOUNT, elf.DT_AUDIT, 1) },
		func(e *editable) { off, _ := e.dyn(elf.DT_FLAGS_1); e.put64(off, uint64(elf.DF_1_INTERPOSE)) },
	},
	"entry sizes": {
		func(e *editable) { off, _ := e.dyn(elf.DT_RELAENT); e.put64(off, 16) },
		func(e *editable) { off, _ := e.dyn(elf.DT_SYMENT); e.put64(off, 25) },
	},
	"dynamic strings": {
		func(e *editable) { off, v := e.dyn(elf.DT_STRSZ); e.put64(off, v-1) },
		func(e *editable) { off, _ := e.dyn(elf.DT_STRSZ); e.put64(off, 1<<40) },
		func(e *editable) { off, _ := e.dyn(elf.DT_STRTAB); e.put64(off, 1<<40) },
		func(e *editable) { off, _ := e.dyn(elf.DT_NEEDED); e.put64(off, 1<<40) },
	},
	"initialization": {
		func(e *editable) { off, _ := e.dyn(elf.DT_INIT); e.put64(off, 0) },
		func(e *editable) { off, _ := e.dyn(elf.DT_INIT_ARRAY); e.put64(off, 8) },
		func(e *editable) { off, v := e.dyn(elf.DT_INIT_ARRAYSZ); e.put64(off, v+1) },
		func(e *editable) { off, _ := e.dyn(elf.DT_FINI_ARRAYSZ); e.put64(off, 1<<40) },
	},
	"procedure linkage": {
		func(e *editable) { off, _ := e.dyn(elf.DT_PLTGOT); e.put64(off, 8) },
		func(e *editable) { off, _ := e.dyn(elf.DT_PLTREL); e.put64(off, uint64(elf.DT_REL)) },
		func(e *editable) { e.spare(elf.DT_RELASZ, elf.DT_DEBUG, 0) },
	},

	"dynamic symbols": {
		func(e *editable) { off, v := e.dyn(elf.DT_SYMTAB); e.put64(off, v+24) },
		func(e *editable) { // the names of another section
			e.put64(e.f.head.Shoff+uint64(e.f.SectionByType(elf.SHT_DYNSYM).Link)*64+16, 0)
		},
	},
	"GNU hash table": {
		func(e *editable) { e.put32(e.table(elf.DT_GNU_HASH), 0) },
		func(e *editable) { e.put32(e.table(elf.DT_GNU_HASH)+4, 1<<30) },
		func(e *editable) { e.put32(e.table(elf.DT_GNU_HASH)+8, 3) },
		func(e *editable) { e.put32(e.table(elf.DT_GNU_HASH)+12, 77) },
		func(e *editable) { e.put64(e.table(elf.DT_GNU_HASH)+16, 0) }, // the filter
		func(e *editable) { // the end of the last chain
			at := e.hashChains() + (e.symbolCount()-e.hashFirst()-1)*4
			e.put32(at, binary.LittleEndian.Uint32(e.b[at:])&^1)
		},
		func(e *editable) { at := e.hashChains(); e.put32(at, binary.LittleEndian.Uint32(e.b[at:])^2) },
	},
	"hash table": {
		func(e *editable) { e.asHash(1, 1<<30) },
		func(e *editable) { e.asHash(0, uint32(e.symbolCount())) },
		func(e *editable) { // a chain that comes back
			e.asHash(1, uint32(e.symbolCount()))
			at := e.table(elf.DT_GNU_HASH) + 8
			e.put32(at, 1)
			e.put32(at+8, 1)
		},
	},
	"symbol versions": {
		func(e *editable) { e.put16(e.table(elf.DT_VERSYM)+2, 0x7ff0) },
		func(e *editable) { off, _ := e.dyn(elf.DT_VERSYM); e.put64(off, 1<<40) },
		func(e *editable) { e.put32(e.table(elf.DT_VERNEED)+4, 1) },
		func(e *editable) { e.put32(e.table(elf.DT_VERNEED)+12, 4) },
		func(e *editable) { off, v := e.dyn(elf.DT_VERNEEDNUM); e.put64(off, v+1) },
		func(e *editable) { off, _ := e.dyn(elf.DT_VERNEED); e.put64(off, 1<<40) },
	},

	"symbols": {
		func(e *editable) { e.put64(e.definedSymbol(elf.STT_FUNC)+8, 0) },
		func(e *editable) { e.put64(e.definedSymbol(elf.STT_OBJECT)+8, 1<<40) },
		func(e *editable) { e.put64(e.definedSymbol(elf.STT_OBJECT)+16, 1<<40) },
		func(e *editable) { e.put32(e.table(elf.DT_SYMTAB)+elf.Sym64Size, 1<<30) },
	},
	"relocations": {
		func(e *editable) { e.put64(e.table(elf.DT_RELA), 0) },
		func(e *editable) { e.put64(e.table(elf.DT_RELA), 1<<40) },
		func(e *editable) { _, p := e.prog(elf.PT_DYNAMIC, 0); e.put64(e.table(elf.DT_RELA), p.Vaddr) },
		func(e *editable) { e.put64(e.table(elf.DT_RELA)+16, 1<<40) },
		func(e *editable) { e.put32(e.table(elf.DT_RELA)+8, 2) },
		func(e *editable) { e.put32(e.lastRelocation()+12, 1<<30) },
		func(e *editable) { off, _ := e.dyn(elf.DT_RELACOUNT); e.put64(off, 1<<40) },
		func(e *editable) { off, v := e.dyn(elf.DT_RELACOUNT); e.put64(off, v+1) },
		func(e *editable) { off, v := e.dyn(elf.DT_RELASZ); e.put64(off, v+8) },
	},
	"linkage relocations": {
		func(e *editable) { e.put64(e.table(elf.DT_JMPREL), 0) },
		func(e *editable) { e.put32(e.table(elf.DT_JMPREL)+12, 1<<30) },
		func(e *editable) { e.put32(e.table(elf.DT_JMPREL)+8, e.arch.relative) },
	},
	"compact relocations": {
		func(e *editable) { e.asCompact(8) },
		func(e *editable) { _, p := e.loading(elf.PF_R | elf.PF_W); e.asCompact(p.Vaddr+p.Memsz-8, 1<<63|1) },
	},
	"initializers": {
		func(e *editable) { e.put64(e.initializer()+16, 0) },
		func(e *editable) { e.put64(e.initializer(), binary.LittleEndian.Uint64(e.b[e.initializer():])+16) },
	},
	"linkage code": {func(e *editable) {
		s := e.f.Section(".plt")
		copy(e.b[s.Offset+s.Size-16:], "\xf3\x0f\x1e\xfa\x41\xbb\x03\x00\x00\x00\xff\x25")
	}},
	"type links": {
		func(e *editable) { e.put32(e.offset(e.typeLinksAt().table), 1<<31) },
		func(e *editable) { t := e.typeLinksAt(); e.put32(e.offset(t.table+t.n*4-4), uint32(t.typesSize)) },
		func(e *editable) { e.put64(e.offset(e.f.Section(".go.module").Addr+wordTypeLinksN*8), 1<<40) },
	},
}

// TestRules violates each rule.
func TestRules(t *testing.T) {
	original, err := os.ReadFile(image("alpha"))
	if err != nil {
		t.Fatal(err)
	}
	self, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	for _, rules := range stages {
		for _, r := range rules {
			if len(violations[r.name]) == 0 {
				t.Errorf("nothing violates %q", r.name)
			}
			for i, violate := range violations[r.name] {
				e := edit(t, original)
				violate(e)
				if bytes.Equal(e.b, original) {
					t.Errorf("%s %d: nothing is changed", r.name, i)
				}
				f, err := readELF(bytes.NewReader(e.b), int64(len(e.b)))
				if err != nil {
					t.Errorf("%s %d: %v", r.name, i, err)
					continue
				}
				faults := f.faults()
				if !slices.ContainsFunc(faults, func(f Fault) bool { return f.Rule == r.name }) {
					t.Errorf("%s %d: found %v", r.name, i, faults)
				}
				info, err := read(e.b)
				if err != nil {
					t.Errorf("%s %d: %v", r.name, i, err)
					continue
				}
				// Moved segments can hide that it is a plugin.
				err = Check(info, self, Requirements{})
				if !errors.Is(err, NotPlugin) && (!errors.Is(err, MalformedImage) || !strings.Contains(err.Error(), "malformed image: "+r.name+": want "+r.want)) {
					t.Errorf("%s %d: the check finds %v", r.name, i, err)
				}
			}
		}
	}
}
