package native

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// Limits on what headers may claim. Real images have some fifty sections, and the largest that were seen have 40 MB of symbol names.
const (
	maxSections = 4096
	maxTable    = 128 << 20 // bytes of one table
	maxName     = 16 << 10  // bytes of one name
	maxKept     = 16 << 20  // bytes of all names that an Info keeps
)

// elfFile is an ELF file all of whose parts lie within the file.
type elfFile struct {
	*elf.File
	r    io.ReaderAt
	size int64
}

// readELF reads the headers. What they point to beyond the end of the file makes it truncated: the section table stands at
// the end, so a file cut anywhere is found.
func readELF(r io.ReaderAt, size int64) (*elfFile, error) {
	if size <= 0 {
		return nil, ErrEmpty
	}
	head := make([]byte, min(size, 64))
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return nil, fmt.Errorf("read ELF header: %w", err)
	}
	if n := min(len(head), len(elf.ELFMAG)); string(head[:n]) != elf.ELFMAG[:n] {
		return nil, fmt.Errorf("%w: it begins with %q", ErrNotELF, head[:min(len(head), 8)])
	}
	if len(head) < 64 { // a 32-bit header is shorter, but no file ends after it
		return nil, fmt.Errorf("%w: it has %d bytes", ErrTruncated, size)
	}
	if err := tables(head, size); err != nil {
		return nil, err
	}
	file, err := elf.NewFile(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	f := &elfFile{File: file, r: r, size: size}
	for _, p := range f.Progs {
		if !fits(p.Off, p.Filesz, size) {
			return nil, fmt.Errorf("%w: a segment goes on to byte %d of %d", ErrTruncated, p.Off+p.Filesz, size)
		}
	}
	for _, s := range f.Sections {
		if s.Type != elf.SHT_NOBITS && s.Type != elf.SHT_NULL && !fits(s.Offset, s.FileSize, size) {
			return nil, fmt.Errorf("%w: section %q goes on to byte %d of %d", ErrTruncated, s.Name, s.Offset+s.FileSize, size)
		}
	}
	return f, nil
}

// tables checks the place of the header tables, before debug/elf reads them and reports a cut file as a wrong one.
func tables(head []byte, size int64) error {
	var order binary.ByteOrder = binary.LittleEndian
	if elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	var phoff, shoff, phnum, phentsize, shentsize, shnum uint64
	if elf.Class(head[elf.EI_CLASS]) == elf.ELFCLASS32 {
		var h elf.Header32
		binary.Decode(head, order, &h)
		phoff, phnum, phentsize = uint64(h.Phoff), uint64(h.Phnum), uint64(h.Phentsize)
		shoff, shnum, shentsize = uint64(h.Shoff), uint64(h.Shnum), uint64(h.Shentsize)
	} else {
		var h elf.Header64
		binary.Decode(head, order, &h)
		phoff, phnum, phentsize = h.Phoff, uint64(h.Phnum), uint64(h.Phentsize)
		shoff, shnum, shentsize = h.Shoff, uint64(h.Shnum), uint64(h.Shentsize)
	}
	if shnum > maxSections || shoff > 0 && shnum == 0 {
		// 0 is how more than 65,279 sections are written.
		return fmt.Errorf("%w: too many sections", ErrMalformed)
	}
	if !fits(phoff, phnum*phentsize, size) {
		return fmt.Errorf("%w: its program headers would stand at byte %d of %d", ErrTruncated, phoff, size)
	}
	if !fits(shoff, shnum*shentsize, size) {
		return fmt.Errorf("%w: its section headers would stand at byte %d of %d", ErrTruncated, shoff, size)
	}
	return nil
}

// fits says whether n bytes at off end within size, without overflow.
func fits(off, n uint64, size int64) bool {
	return off <= uint64(size) && n <= uint64(size)-off
}

// interpreter says whether the file names a program interpreter, as only executables do.
func (f *elfFile) interpreter() bool {
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return true
		}
	}
	return false
}

// memSize is the distance from the first mapped byte to the last.
func (f *elfFile) memSize() int64 {
	var low, high uint64
	first := true
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD {
			continue
		}
		if first || p.Vaddr < low {
			low, first = p.Vaddr, false
		}
		if end := p.Vaddr + p.Memsz; end >= p.Vaddr {
			high = max(high, end)
		}
	}
	if high < low || int64(high-low) < 0 {
		return 0
	}
	return int64(high - low)
}

// at reads the n bytes that are mapped at an address.
func (f *elfFile) at(addr uint64, n int) []byte {
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && addr >= p.Vaddr && fits(addr-p.Vaddr, uint64(n), int64(p.Filesz)) {
			b := make([]byte, n)
			if _, err := f.r.ReadAt(b, int64(p.Off+addr-p.Vaddr)); err != nil {
				return nil
			}
			return b
		}
	}
	return nil
}

// table reads a section whole. debug/elf would also decompress it: a table that is mapped never is compressed, and a
// small file must not become a large one here.
func (f *elfFile) table(s *elf.Section) ([]byte, error) {
	if s.Flags&elf.SHF_COMPRESSED != 0 || s.FileSize > maxTable || s.Type == elf.SHT_NOBITS {
		return nil, fmt.Errorf("%w: section %q is compressed or too large", ErrMalformed, s.Name)
	}
	b := make([]byte, s.FileSize)
	if _, err := f.r.ReadAt(b, int64(s.Offset)); err != nil {
		return nil, fmt.Errorf("read section %q: %w", s.Name, err)
	}
	return b, nil
}

// linked reads a table and the strings that it refers to. Both are empty if the file has no such table.
func (f *elfFile) linked(t elf.SectionType) (table []byte, names names, err error) {
	s := f.SectionByType(t)
	if s == nil {
		return nil, nil, nil
	}
	if s.Link == 0 || s.Link >= uint32(len(f.Sections)) {
		return nil, nil, fmt.Errorf("%w: section %q has no strings", ErrMalformed, s.Name)
	}
	if names, err = f.table(f.Sections[s.Link]); err != nil {
		return nil, nil, err
	}
	table, err = f.table(s)
	return table, names, err
}

// names is a string table.
type names []byte

// at returns the name at an offset, without copying it; empty if there is none or it is longer than any real one.
func (n names) at(off uint64) []byte {
	if off >= uint64(len(n)) {
		return nil
	}
	tail := n[off:min(uint64(len(n)), off+maxName)]
	end := bytes.IndexByte(tail, 0)
	if end < 0 {
		return nil
	}
	return tail[:end]
}

// goarch is the GOARCH of the file's machine.
func goarch(f *elfFile) string {
	little := f.Data == elf.ELFDATA2LSB
	switch f.Machine {
	case elf.EM_X86_64:
		return "amd64"
	case elf.EM_AARCH64:
		return "arm64"
	case elf.EM_386:
		return "386"
	case elf.EM_ARM:
		return "arm"
	case elf.EM_RISCV:
		return "riscv64"
	case elf.EM_S390:
		return "s390x"
	case elf.EM_LOONGARCH:
		return "loong64"
	case elf.EM_PPC64:
		if little {
			return "ppc64le"
		}
		return "ppc64"
	}
	return strings.ToLower(strings.TrimPrefix(f.Machine.String(), "EM_"))
}
