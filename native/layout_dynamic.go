package native

import (
	"debug/elf"
	"fmt"
	"slices"
)

// dynamicRules are about the entries of the dynamic segment. The loader takes their addresses as they are, and asserts some of the
// sizes, which ends the process.
var dynamicRules = []rule{
	{"dynamic segment", "entries of 16 bytes in writable memory that end with a null", (*layout).readDynamic},
	{"dynamic entries", "each at most once", (*layout).once},
	{"dynamic features", "none that change code or other images", (*layout).features},
	{"entry sizes", "24 bytes for relocations and symbols, 8 for compact relocations", (*layout).entrySizes},
	{"dynamic strings", "a table in constant memory that begins and ends with a zero, and has all names", (*layout).readStrings},
	{"initialization", "functions in executable code, and arrays of addresses in writable memory", (*layout).initialization},
	{"procedure linkage", "relocations with addends, and a table in writable memory", (*layout).linkage},
}

func (l *layout) readDynamic() string {
	p := l.only(elf.PT_DYNAMIC)
	if p.Vaddr%8 != 0 || p.Memsz != p.Filesz || p.Memsz > 1<<20 || !l.writable(p.Vaddr, p.Memsz) {
		return span(p.Vaddr, p.Memsz)
	}
	// Inspect has read the sections, and the loader reads this: they must be the same.
	if s := l.f.SectionByType(elf.SHT_DYNAMIC); s == nil || s.Addr != p.Vaddr || s.Offset != p.Off || s.FileSize != p.Filesz {
		return "a section of another place or size"
	}
	b := l.f.at(p.Vaddr, int(p.Filesz))
	for ; len(b) >= 16; b = b[16:] {
		d := elf.Dyn64{Tag: int64(l.order.Uint64(b)), Val: l.order.Uint64(b[8:])}
		if elf.DynTag(d.Tag) == elf.DT_NULL {
			return ""
		}
		l.dynamic = append(l.dynamic, d)
	}
	return "none"
}

func (l *layout) once() string {
	seen := map[int64]bool{}
	for _, d := range l.dynamic {
		if seen[d.Tag] && elf.DynTag(d.Tag) != elf.DT_NEEDED {
			return fmt.Sprintf("%v twice", elf.DynTag(d.Tag))
		}
		seen[d.Tag] = true
	}
	for _, t := range []elf.DynTag{elf.DT_STRTAB, elf.DT_STRSZ, elf.DT_SYMTAB, elf.DT_SYMENT} {
		if !seen[int64(t)] {
			return fmt.Sprintf("no %v", t)
		}
	}
	if !seen[int64(elf.DT_GNU_HASH)] && !seen[int64(elf.DT_HASH)] {
		return "no hash table"
	}
	return ""
}

// features has the flags that an image may have. Those that are missing say that its code is relocated, or that it comes before
// others or in their place.
const (
	flags  = elf.DF_ORIGIN | elf.DF_SYMBOLIC | elf.DF_BIND_NOW | elf.DF_STATIC_TLS
	flags1 = elf.DF_1_NOW | elf.DF_1_GLOBAL | elf.DF_1_GROUP | elf.DF_1_NODELETE | elf.DF_1_INITFIRST | elf.DF_1_ORIGIN | elf.DF_1_NODEFLIB
)

func (l *layout) features() string {
	return l.each(func(tag elf.DynTag, v uint64) string {
		switch {
		case tag == elf.DT_FLAGS && v&^uint64(flags) == 0:
			return ""
		case tag == elf.DT_FLAGS_1 && v&^uint64(flags1) == 0:
			return ""
		}
		return fmt.Sprintf("%v %#x", tag, v)
	}, elf.DT_FLAGS, elf.DT_FLAGS_1, elf.DT_TEXTREL, elf.DT_REL, elf.DT_RELSZ, elf.DT_RELENT, elf.DT_AUDIT, elf.DT_DEPAUDIT, elf.DT_AUXILIARY,
		elf.DT_FILTER, elf.DT_CONFIG, elf.DT_GNU_CONFLICT, elf.DT_GNU_LIBLIST, elf.DT_GNU_PRELINKED, elf.DT_PREINIT_ARRAY, elf.DT_MOVETAB)
}

// The tags of compact relocations, which package elf doesn't have.
const (
	dtRelrSize  = elf.DynTag(35)
	dtRelr      = elf.DynTag(36)
	dtRelrEntry = elf.DynTag(37)
)

func (l *layout) entrySizes() string {
	return l.each(func(tag elf.DynTag, v uint64) string {
		if want := map[elf.DynTag]uint64{elf.DT_SYMENT: elf.Sym64Size, elf.DT_RELAENT: relaSize, dtRelrEntry: 8}[tag]; v != want {
			return fmt.Sprintf("%d for %v", v, tag)
		}
		return ""
	}, elf.DT_SYMENT, elf.DT_RELAENT, dtRelrEntry)
}

func (l *layout) readStrings() string {
	addr, _ := l.value(elf.DT_STRTAB)
	size, _ := l.value(elf.DT_STRSZ)
	l.strings = l.constant(addr, size)
	if len(l.strings) < 2 || l.strings[0] != 0 || l.strings[len(l.strings)-1] != 0 {
		return span(addr, size)
	}
	return l.each(func(tag elf.DynTag, v uint64) string {
		if v == 0 || v >= uint64(len(l.strings)) || len(l.strings.at(v)) == 0 {
			return fmt.Sprintf("%v %d, where the names are %d bytes", tag, v, len(l.strings))
		}
		return ""
	}, elf.DT_NEEDED, elf.DT_SONAME, elf.DT_RPATH, elf.DT_RUNPATH)
}

func (l *layout) initialization() string {
	found := l.each(func(tag elf.DynTag, v uint64) string {
		if !l.code(v) {
			return fmt.Sprintf("%v %#x", tag, v)
		}
		return ""
	}, elf.DT_INIT, elf.DT_FINI)
	if found != "" {
		return found
	}
	for _, tags := range [][2]elf.DynTag{{elf.DT_INIT_ARRAY, elf.DT_INIT_ARRAYSZ}, {elf.DT_FINI_ARRAY, elf.DT_FINI_ARRAYSZ}} {
		addr, hasAddr := l.value(tags[0])
		size, hasSize := l.value(tags[1])
		if hasAddr != hasSize || hasAddr && (addr%8 != 0 || size%8 != 0 || size > 1<<20 || !l.writable(addr, size)) {
			return fmt.Sprintf("%v %s", tags[0], span(addr, size))
		}
	}
	return ""
}

func (l *layout) linkage() string {
	found := l.each(func(tag elf.DynTag, v uint64) string {
		if tag == elf.DT_PLTGOT && !l.writable(v, 24) || tag == elf.DT_PLTREL && elf.DynTag(v) != elf.DT_RELA {
			return fmt.Sprintf("%v %#x", tag, v)
		}
		return ""
	}, elf.DT_PLTGOT, elf.DT_PLTREL)
	if found != "" {
		return found
	}
	has := func(t elf.DynTag) bool { _, ok := l.value(t); return ok }
	for _, together := range [][]elf.DynTag{
		{elf.DT_JMPREL, elf.DT_PLTRELSZ, elf.DT_PLTREL}, {elf.DT_RELA, elf.DT_RELASZ, elf.DT_RELAENT}, {dtRelr, dtRelrSize, dtRelrEntry},
	} {
		if some, all := slices.ContainsFunc(together, has), !slices.ContainsFunc(together, func(t elf.DynTag) bool { return !has(t) }); some != all {
			return fmt.Sprintf("only some of %v", together)
		}
	}
	return ""
}
