package native

import (
	"debug/elf"
	"fmt"
)

// entryRules are about what stands in the tables: symbols, and the relocations, by which the loader writes wherever they say.
var entryRules = []rule{
	{"symbols", "names in range, functions in executable code, data in the image", (*layout).symbolEntries},
	{"relocations", "of a known type, of symbols in the table, to writable memory of the image", (*layout).relocations},
	{"linkage relocations", "of a known type, of symbols in the table, to writable memory of the image", (*layout).linkageRelocations},
	{"compact relocations", "to writable memory of the image", (*layout).compactRelocations},
	{"initializers", "addresses of executable code", (*layout).initializers},
}

func (l *layout) symbolEntries() string {
	var tls uint64
	if p := l.only(elf.PT_TLS); p != nil {
		tls = p.Memsz
	}
	for i := range l.symbolCount() {
		s := l.symbol(i)
		if uint64(s.Name) >= uint64(len(l.strings)) {
			return fmt.Sprintf("symbol %d has the name %d of %d", i, s.Name, len(l.strings))
		}
		switch elf.SectionIndex(s.Shndx) {
		case elf.SHN_UNDEF, elf.SHN_ABS:
			continue
		}
		fine := false
		switch elf.ST_TYPE(s.Info) {
		case elf.STT_FUNC, elf.STT_GNU_IFUNC:
			fine = l.code(s.Value)
		case elf.STT_TLS:
			fine = fits(s.Value, s.Size, int64(tls))
		case elf.STT_OBJECT:
			fine = l.load(s.Value, s.Size) != nil
		case elf.STT_NOTYPE, elf.STT_SECTION: // those of the linker may be at the end of a segment
			fine = l.load(s.Value, 0) != nil
		}
		if !fine {
			return fmt.Sprintf("symbol %d, of type %v, is at %s", i, elf.ST_TYPE(s.Info), span(s.Value, s.Size))
		}
	}
	return ""
}

const relaSize = 24

// relocationTypes are those of an architecture that linkers leave for the loader.
type relocationTypes struct {
	relative, indirect uint32
	descriptor         uint32          // of two words
	symbol             map[uint32]bool // those with a symbol
	tls                map[uint32]bool // those that may do without
	linkage            map[uint32]bool // those of the linkage table
}

var relocationsOf = map[elf.Machine]relocationTypes{
	elf.EM_X86_64: {
		relative: uint32(elf.R_X86_64_RELATIVE), indirect: uint32(elf.R_X86_64_IRELATIVE), descriptor: uint32(elf.R_X86_64_TLSDESC),
		symbol: map[uint32]bool{uint32(elf.R_X86_64_64): true, uint32(elf.R_X86_64_GLOB_DAT): true, uint32(elf.R_X86_64_JMP_SLOT): true},
		tls: map[uint32]bool{uint32(elf.R_X86_64_DTPMOD64): true, uint32(elf.R_X86_64_DTPOFF64): true, uint32(elf.R_X86_64_TPOFF64): true,
			uint32(elf.R_X86_64_TLSDESC): true},
		linkage: map[uint32]bool{uint32(elf.R_X86_64_JMP_SLOT): true, uint32(elf.R_X86_64_TLSDESC): true, uint32(elf.R_X86_64_IRELATIVE): true},
	},
	elf.EM_AARCH64: {
		relative: uint32(elf.R_AARCH64_RELATIVE), indirect: uint32(elf.R_AARCH64_IRELATIVE), descriptor: uint32(elf.R_AARCH64_TLSDESC),
		symbol: map[uint32]bool{uint32(elf.R_AARCH64_ABS64): true, uint32(elf.R_AARCH64_GLOB_DAT): true, uint32(elf.R_AARCH64_JUMP_SLOT): true},
		tls: map[uint32]bool{uint32(elf.R_AARCH64_TLS_DTPMOD64): true, uint32(elf.R_AARCH64_TLS_DTPREL64): true,
			uint32(elf.R_AARCH64_TLS_TPREL64): true, uint32(elf.R_AARCH64_TLSDESC): true},
		linkage: map[uint32]bool{uint32(elf.R_AARCH64_JUMP_SLOT): true, uint32(elf.R_AARCH64_TLSDESC): true, uint32(elf.R_AARCH64_IRELATIVE): true},
	},
}

// relocation is one that has an addend.
type relocation struct {
	target uint64
	typ    uint32
	symbol uint64
	addend uint64
}

func (l *layout) relocations() string {
	addr, _ := l.value(elf.DT_RELA)
	size, _ := l.value(elf.DT_RELASZ)
	relative, _ := l.value(elf.DT_RELACOUNT)
	if relative > size/relaSize {
		return fmt.Sprintf("%d relative ones of %d", relative, size/relaSize)
	}
	return l.eachRelocation(addr, size, func(i uint64, r relocation) string {
		if i < relative && r.typ != l.arch.relative { // the loader doesn't look
			return fmt.Sprintf("relocation %d of type %d among the relative ones", i, r.typ)
		}
		return ""
	})
}

func (l *layout) linkageRelocations() string {
	addr, _ := l.value(elf.DT_JMPREL)
	size, _ := l.value(elf.DT_PLTRELSZ)
	return l.eachRelocation(addr, size, func(i uint64, r relocation) string {
		if !l.arch.linkage[r.typ] {
			return fmt.Sprintf("relocation %d of type %d", i, r.typ)
		}
		return ""
	})
}

// eachRelocation checks a table of relocations, and calls fn for each.
func (l *layout) eachRelocation(addr, size uint64, fn func(i uint64, r relocation) string) string {
	if size == 0 {
		return ""
	}
	b := l.constant(addr, size)
	if b == nil || size%relaSize != 0 || addr%8 != 0 {
		return span(addr, size)
	}
	dynamic := l.only(elf.PT_DYNAMIC)
	for i := uint64(0); len(b) > 0; i, b = i+1, b[relaSize:] {
		r := l.readRelocation(b)
		found := fn(i, r)
		if found == "" {
			found = l.relocation(i, r, dynamic)
		}
		if found != "" {
			return found
		}
	}
	return ""
}

func (l *layout) readRelocation(b []byte) relocation {
	info := l.order.Uint64(b[8:])
	return relocation{l.order.Uint64(b), uint32(info), info >> 32, l.order.Uint64(b[16:])}
}

func (l *layout) relocation(i uint64, r relocation, dynamic *elf.Prog) string {
	n, ok := uint64(8), false
	switch {
	case r.typ == l.arch.relative: // nearly all
		ok = r.symbol == 0 && l.load(r.addend, 0) != nil
	case r.typ == l.arch.indirect:
		ok = r.symbol == 0 && l.code(r.addend)
	case l.arch.symbol[r.typ]:
		ok = r.symbol > 0 && r.symbol < l.symbolCount()
	case l.arch.tls[r.typ]:
		ok = r.symbol < l.symbolCount()
		if r.typ == l.arch.descriptor {
			n = 16
		}
	}
	if !ok {
		return fmt.Sprintf("relocation %d of type %d with symbol %d and addend %#x", i, r.typ, r.symbol, r.addend)
	}
	if !l.writable(r.target, n) || r.target+n > dynamic.Vaddr && r.target < dynamic.Vaddr+dynamic.Memsz {
		return fmt.Sprintf("relocation %d writes to %#x", i, r.target)
	}
	return ""
}

func (l *layout) compactRelocations() string {
	return l.eachCompact(func(target uint64) string {
		if !l.writable(target, 8) {
			return fmt.Sprintf("a write to %#x", target)
		}
		return ""
	})
}

// eachCompact calls fn for each target of the compact relocations. An even entry is an address, an odd one has a bit for each of the
// 63 words that follow.
func (l *layout) eachCompact(fn func(target uint64) string) string {
	addr, has := l.value(dtRelr)
	size, _ := l.value(dtRelrSize)
	if !has {
		return ""
	}
	b := l.constant(addr, size)
	if b == nil || size%8 != 0 || addr%8 != 0 {
		return span(addr, size)
	}
	for next := uint64(0); len(b) > 0; b = b[8:] {
		entry := l.order.Uint64(b)
		if entry&1 == 0 {
			if found := fn(entry); found != "" {
				return found
			}
			next = entry + 8
			continue
		}
		for i := range uint64(63) {
			if entry>>(i+1)&1 == 1 {
				if found := fn(next + i*8); found != "" {
					return found
				}
			}
		}
		next += 63 * 8
	}
	return ""
}

// initializers looks at what the loader will call: each word of the arrays is the target of a relocation to code.
func (l *layout) initializers() string {
	calls := map[uint64]bool{}
	for _, tags := range [][2]elf.DynTag{{elf.DT_INIT_ARRAY, elf.DT_INIT_ARRAYSZ}, {elf.DT_FINI_ARRAY, elf.DT_FINI_ARRAYSZ}} {
		addr, _ := l.value(tags[0])
		size, _ := l.value(tags[1])
		for at := addr; at < addr+size; at += 8 {
			calls[at] = false
		}
	}
	addr, _ := l.value(elf.DT_RELA)
	size, _ := l.value(elf.DT_RELASZ)
	for b := l.constant(addr, size); len(b) >= relaSize; b = b[relaSize:] {
		if _, is := calls[l.order.Uint64(b)]; is {
			r := l.readRelocation(b)
			calls[r.target] = r.typ == l.arch.relative && l.code(r.addend) || l.arch.symbol[r.typ]
		}
	}
	l.eachCompact(func(target uint64) string {
		if _, is := calls[target]; is {
			b := l.f.at(target, 8)
			calls[target] = b != nil && l.code(l.order.Uint64(b))
		}
		return ""
	})
	for at, ok := range calls {
		if !ok {
			return fmt.Sprintf("what is at %#x", at)
		}
	}
	return ""
}
