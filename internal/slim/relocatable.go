package slim

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Rename changes the object that the Go linker has made for the C linker, in place: functions of the host get the names that they have
// there. And it hides what no other image looks for, which is two thirds of the symbols: the loader, and whoever checks an image, reads
// them all. Main is the plugin's path; its functions stay, since the image is inspected for what it exports.
func Rename(object, main string) error {
	b, err := os.ReadFile(object)
	if err != nil {
		return err
	}
	if b, err = rename(b, Escape(main)+"."); err != nil {
		return fmt.Errorf("rename symbols in %s: %w", object, err)
	}
	return os.WriteFile(object, b, 0o600)
}

func rename(b []byte, main string) ([]byte, error) {
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	table := f.SectionByType(elf.SHT_SYMTAB)
	if f.Type != elf.ET_REL || f.Class != elf.ELFCLASS64 || f.Data != elf.ELFDATA2LSB || table == nil {
		return nil, errors.New("not an object with symbols")
	}
	names, err := f.Sections[table.Link].Data()
	if err != nil {
		return nil, err
	}
	text := string(names)
	size := len(names)
	for at := table.Offset; at+symbolSize <= table.Offset+table.Size; at += symbolSize {
		s := b[at : at+symbolSize]
		from := binary.LittleEndian.Uint32(s)
		if int(from) >= len(text) {
			return nil, errors.New("a symbol's name lies outside of the table")
		}
		old, _, _ := strings.Cut(text[from:], "\x00")
		name := old
		undefined := elf.SectionIndex(binary.LittleEndian.Uint16(s[6:])) == elf.SHN_UNDEF
		switch {
		case undefined:
			name = strings.TrimSuffix(old, internalSuffix)
		case slices.Contains(startNames, old):
			name = "sohost:" + old // the host may have one of that name
			s[5] = byte(elf.STV_HIDDEN)
		case isPrivate(old, elf.ST_TYPE(s[4])) && !strings.HasPrefix(old, main):
			s[5] = byte(elf.STV_HIDDEN)
		}
		if name != old {
			binary.LittleEndian.PutUint32(s, uint32(len(names)))
			names = append(append(names, name...), 0)
		}
	}
	if len(names) == size {
		return b, nil
	}
	// The table of names moves to the end of the file, where there is room for it.
	b = append(b, make([]byte, -len(b)&7)...)
	header := sectionHeader(b, int(table.Link))
	binary.LittleEndian.PutUint64(header[24:], uint64(len(b)))
	binary.LittleEndian.PutUint64(header[32:], uint64(len(names)))
	return append(b, names...), nil
}

// isPrivate reports whether a symbol that an image defines is for itself only. Images with a package in common share its variables, the
// descriptors of its types, and what function values point to. Each calls its own functions, which are the same. What belongs to
// descriptors, such as names, they find by offset.
func isPrivate(name string, kind elf.SymType) bool {
	return kind == elf.STT_FUNC || strings.HasPrefix(name, typePrefix+".")
}

// sectionHeader returns the header of a section in an ELF file.
func sectionHeader(b []byte, i int) []byte {
	at := binary.LittleEndian.Uint64(b[40:]) + uint64(i)*sectionSize
	return b[at : at+sectionSize]
}
