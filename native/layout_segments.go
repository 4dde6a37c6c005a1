package native

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
)

// segmentRules are about the ELF header and the program headers. The loader reserves memory from the first segment to the end of the
// last, and then maps each to a fixed place, whatever is there.
var segmentRules = []rule{
	{"header", "a 64-bit little-endian header of version 1 for System V or GNU", (*layout).header},
	{"program headers", "entries of 56 bytes, at a multiple of 8", (*layout).programHeaders},
	{"segments", "at least one to load, one dynamic, one for the stack, at most one of the other kinds", (*layout).kinds},
	{"segment sizes", "no more bytes in the file than in memory, and not none", (*layout).sizes},
	{"segment order", "ascending addresses, no page twice", (*layout).ascending},
	{"segment alignment", "addresses and offsets that are the same modulo a power of two of at least a page", (*layout).alignment},
	{"segment protection", "readable, and not both writable and executable", (*layout).protection},
	{"stack", "not executable", (*layout).stack},
	{"relro", "a part of a writable segment", (*layout).relro},
	{"thread-local storage", "an initial part that is in the file, and an alignment of at most a page", (*layout).tls},
	{"notes", "whole entries in a loaded segment", (*layout).notes},
	{"unwinding table", "a part of a loaded segment", (*layout).unwinding},
}

func (l *layout) header() string {
	h := l.f.head
	switch {
	case l.f.Class != elf.ELFCLASS64 || l.f.Data != elf.ELFDATA2LSB:
		return fmt.Sprintf("%v, %v", l.f.Class, l.f.Data)
	case l.f.OSABI != elf.ELFOSABI_NONE && l.f.OSABI != elf.ELFOSABI_LINUX || l.f.ABIVersion != 0:
		return fmt.Sprintf("%v version %d", l.f.OSABI, l.f.ABIVersion)
	case h.Version != 1 || h.Ident[elf.EI_VERSION] != 1:
		return fmt.Sprintf("version %d", h.Version)
	case h.Ehsize != 64:
		return fmt.Sprintf("a header of %d bytes", h.Ehsize)
	}
	return ""
}

func (l *layout) programHeaders() string {
	if h := l.f.head; h.Phentsize != 56 || h.Phoff%8 != 0 || h.Phoff < 64 {
		return fmt.Sprintf("entries of %d bytes at %d", h.Phentsize, h.Phoff)
	}
	if p := l.only(elf.PT_PHDR); p != nil {
		if load := l.load(p.Vaddr, p.Memsz); load == nil || p.Off != l.f.head.Phoff || p.Vaddr-load.Vaddr != p.Off-load.Off {
			return "a description of themselves that is wrong"
		}
	}
	return ""
}

func (l *layout) kinds() string {
	count := map[elf.ProgType]int{}
	for _, p := range l.f.Progs {
		count[p.Type]++
	}
	for _, t := range []elf.ProgType{elf.PT_DYNAMIC, elf.PT_GNU_STACK} {
		if count[t] != 1 {
			return fmt.Sprintf("%d of %v", count[t], t)
		}
	}
	for _, t := range []elf.ProgType{elf.PT_TLS, elf.PT_GNU_RELRO, elf.PT_PHDR, elf.PT_GNU_EH_FRAME, elf.PT_GNU_PROPERTY} {
		if count[t] > 1 {
			return fmt.Sprintf("%d of %v", count[t], t)
		}
	}
	if len(l.loads) == 0 || count[elf.PT_INTERP]+count[elf.PT_SHLIB] > 0 {
		return fmt.Sprintf("%d to load, %d for an interpreter", len(l.loads), count[elf.PT_INTERP])
	}
	return ""
}

func (l *layout) sizes() string {
	for _, p := range l.loads {
		if p.Memsz == 0 || p.Memsz < p.Filesz || p.Vaddr > maxSpan || p.Memsz > maxSpan {
			return fmt.Sprintf("%d bytes of the file for %d in memory at %#x", p.Filesz, p.Memsz, p.Vaddr)
		}
		// What follows in the last page of the file's part is set to zero.
		if p.Memsz > p.Filesz && p.Flags&elf.PF_W == 0 {
			return fmt.Sprintf("%d bytes of the file for %d in read-only memory at %#x", p.Filesz, p.Memsz, p.Vaddr)
		}
	}
	return ""
}

func (l *layout) ascending() string {
	for i, p := range l.loads {
		if i > 0 {
			if before := l.loads[i-1]; pageDown(p.Vaddr) < pageUp(before.Vaddr+before.Memsz) {
				return fmt.Sprintf("%#x after %#x to %#x", p.Vaddr, before.Vaddr, before.Vaddr+before.Memsz)
			}
		}
	}
	return ""
}

func (l *layout) alignment() string {
	for _, p := range l.loads {
		if !powerOfTwo(p.Align) || p.Align < pageSize || p.Align > maxAlign || (p.Vaddr-p.Off)%p.Align != 0 {
			return fmt.Sprintf("%#x at byte %#x, modulo %#x", p.Vaddr, p.Off, p.Align)
		}
	}
	return ""
}

func (l *layout) protection() string {
	for _, p := range l.loads {
		if p.Flags&elf.PF_R == 0 || p.Flags&^(elf.PF_R|elf.PF_W|elf.PF_X) != 0 || p.Flags&(elf.PF_W|elf.PF_X) == elf.PF_W|elf.PF_X {
			return fmt.Sprintf("%v at %#x", p.Flags, p.Vaddr)
		}
	}
	return ""
}

func (l *layout) stack() string {
	if p := l.only(elf.PT_GNU_STACK); p != nil && p.Flags&elf.PF_X != 0 {
		return "an executable stack, for all threads"
	}
	return ""
}

func (l *layout) relro() string {
	p := l.only(elf.PT_GNU_RELRO)
	if p == nil {
		return ""
	}
	load := l.load(p.Vaddr, 1)
	if load == nil || load.Flags&elf.PF_W == 0 || p.Memsz > maxSpan || p.Vaddr+p.Memsz > pageUp(load.Vaddr+load.Memsz) {
		return span(p.Vaddr, p.Memsz)
	}
	return ""
}

func (l *layout) tls() string {
	p := l.only(elf.PT_TLS)
	if p == nil {
		return ""
	}
	if p.Memsz < p.Filesz || p.Memsz > 1<<20 || p.Align != 0 && !powerOfTwo(p.Align) || p.Align > pageSize || p.Filesz > 0 && l.load(p.Vaddr, p.Filesz) == nil {
		return fmt.Sprintf("%d of %d bytes at %#x, modulo %d", p.Filesz, p.Memsz, p.Vaddr, p.Align)
	}
	return ""
}

// notes walks the notes, which the loader reads in search of the kernel version and the properties that the image needs.
func (l *layout) notes() string {
	for _, p := range l.f.Progs {
		if p.Type != elf.PT_NOTE && p.Type != elf.PT_GNU_PROPERTY {
			continue
		}
		align := max(p.Align, 4)
		if l.load(p.Vaddr, p.Memsz) == nil || p.Memsz != p.Filesz || align != 4 && align != 8 || p.Filesz > 1<<20 {
			return span(p.Vaddr, p.Memsz)
		}
		b := l.f.at(p.Vaddr, int(p.Filesz))
		for len(b) > 0 {
			if len(b) < 12 {
				return fmt.Sprintf("%d bytes at the end", len(b))
			}
			name, desc := uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[4:]))
			up := func(n uint64) uint64 { return (n + align - 1) &^ (align - 1) }
			size := up(12+name) + desc
			if size > uint64(len(b)) {
				return fmt.Sprintf("one of %d bytes where %d are left", size, len(b))
			}
			b = b[min(up(size), uint64(len(b))):]
		}
	}
	return ""
}

func (l *layout) unwinding() string {
	if p := l.only(elf.PT_GNU_EH_FRAME); p != nil && (p.Memsz != p.Filesz || l.load(p.Vaddr, p.Memsz) == nil) {
		return span(p.Vaddr, p.Memsz)
	}
	return ""
}
