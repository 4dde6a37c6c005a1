package native

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// Limits on what headers may claim. Real images have about fifty sections and a few megabytes of symbols.
const (
	maxSections     = 4096
	maxSectionNames = 64 << 10  // bytes; debug/elf copies the tail of the table for every section
	maxTable        = 128 << 20 // bytes of the symbols, and of their names
	maxName         = 4 << 10   // bytes of one symbol's name; longer ones, of generic code, don't matter here
	maxRead         = 512 << 20 // bytes of all names, which can overlap in the table
	maxKept         = 16 << 20  // bytes of the names that an Info keeps
)

// elfFile is an ELF file that has been checked: all its segments and sections are within the file.
type elfFile struct {
	*elf.File
	r      io.ReaderAt
	size   int64
	head   elf.Header64 // a 32-bit one has only the fields that are read here
	tables int64        // where the last header table ends
}

// readELF reads the headers. If they point beyond the end of the file, it is truncated. The section table is at the end, so
// this finds a file that was cut anywhere.
func readELF(r io.ReaderAt, size int64) (*elfFile, error) {
	if size <= 0 {
		return nil, ErrEmpty
	}
	head := make([]byte, min(size, 64))
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return nil, fmt.Errorf("read ELF header: %w", err)
	}
	if n := min(len(head), len(elf.ELFMAG)); string(head[:n]) != elf.ELFMAG[:n] {
		return nil, ErrNotELF // without a quotation: the file may be anybody's
	}
	if len(head) < 64 { // a 32-bit header is shorter, but no file ends after it
		return nil, fmt.Errorf("%w: it has only %d bytes; build or copy it again", ErrTruncated, size)
	}
	header, tables, err := checkTables(r, head, size)
	if err != nil {
		return nil, err
	}
	file, err := elf.NewFile(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	f := &elfFile{File: file, r: r, size: size, head: header, tables: tables}
	for _, p := range f.Progs {
		if !fits(p.Off, p.Filesz, size) {
			return nil, fmt.Errorf("%w: a segment extends to byte %d of %d; build or copy it again", ErrTruncated, p.Off+p.Filesz, size)
		}
	}
	for _, s := range f.Sections {
		if s.Type != elf.SHT_NOBITS && s.Type != elf.SHT_NULL && !fits(s.Offset, s.FileSize, size) {
			return nil, fmt.Errorf("%w: section %q extends to byte %d of %d; build or copy it again", ErrTruncated, s.Name, s.Offset+s.FileSize, size)
		}
	}
	return f, nil
}

// checkTables checks the header tables before debug/elf reads them. debug/elf would report a truncated file as malformed, and
// would decompress the section names without a limit. It returns the header, and where the last table ends.
func checkTables(r io.ReaderAt, head []byte, size int64) (h elf.Header64, end int64, err error) {
	var order binary.ByteOrder = binary.LittleEndian
	if elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	is32 := elf.Class(head[elf.EI_CLASS]) == elf.ELFCLASS32
	if !is32 {
		binary.Decode(head, order, &h)
	} else {
		var h32 elf.Header32
		binary.Decode(head, order, &h32)
		h.Phoff, h.Phnum, h.Phentsize = uint64(h32.Phoff), h32.Phnum, h32.Phentsize
		h.Shoff, h.Shnum, h.Shentsize, h.Shstrndx = uint64(h32.Shoff), h32.Shnum, h32.Shentsize, h32.Shstrndx
	}
	if !fits(h.Phoff, uint64(h.Phnum)*uint64(h.Phentsize), size) {
		return h, 0, fmt.Errorf("%w: its program headers would be at byte %d of %d; build or copy it again", ErrTruncated, h.Phoff, size)
	}
	if !fits(h.Shoff, uint64(h.Shnum)*uint64(h.Shentsize), size) {
		return h, 0, fmt.Errorf("%w: its section headers would be at byte %d of %d; build or copy it again", ErrTruncated, h.Shoff, size)
	}
	if h.Shnum > maxSections || h.Shoff > 0 && h.Shnum == 0 { // 0 stands for more than 65,279
		return h, 0, fmt.Errorf("%w: too many sections", ErrMalformed)
	}
	end = max(int64(h.Phoff)+int64(h.Phnum)*int64(h.Phentsize), int64(h.Shoff)+int64(h.Shnum)*int64(h.Shentsize))
	if h.Shnum == 0 {
		return h, end, nil
	}
	var names elf.Section64
	b := make([]byte, binary.Size(names))
	if is32 {
		b = b[:binary.Size(elf.Section32{})]
	}
	if _, err := r.ReadAt(b, int64(h.Shoff)+int64(h.Shstrndx)*int64(h.Shentsize)); err != nil {
		return h, 0, fmt.Errorf("%w: no section has the section names", ErrMalformed)
	}
	if !is32 {
		binary.Decode(b, order, &names)
	} else {
		var n32 elf.Section32
		binary.Decode(b, order, &n32)
		names.Flags, names.Size = uint64(n32.Flags), uint64(n32.Size)
	}
	if elf.SectionFlag(names.Flags)&elf.SHF_COMPRESSED != 0 || names.Size > maxSectionNames {
		return h, 0, fmt.Errorf("%w: the section names are compressed or too long", ErrMalformed)
	}
	return h, end, nil
}

// fits reports whether n bytes at off end within size, without overflow.
func fits(off, n uint64, size int64) bool {
	return off <= uint64(size) && n <= uint64(size)-off
}

// interpreter reports whether the file names a program interpreter, as only executables do.
func (f *elfFile) interpreter() bool {
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return true
		}
	}
	return false
}

// memSize returns the distance from the first mapped byte to the last.
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

// at returns the n bytes that are mapped at an address, or nil.
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

// table reads a whole section. Unlike debug/elf it doesn't decompress: a mapped table is never compressed, and a small file
// must not expand to a large one here.
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

// linked reads a table and the string table that it refers to. Both are empty if the file has no such table.
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

// at returns the name at an offset, without copying it. It is empty if there is none or it is longer than maxName.
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

// goarch returns the GOARCH of the file's machine, or the lower-case ELF name if Go has none.
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
