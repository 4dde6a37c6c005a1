package slim

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unsafe"
)

// Rename changes the object that the Go linker has made for the C linker, in place: functions of the host get the names that they have
// there. And it hides what no other image looks for, which is two thirds of the symbols: the loader, and whoever checks an image, reads
// them all. Main is the plugin's path; its functions stay, since the image is inspected for what it exports.
func Rename(object, main string) error {
	f, err := os.OpenFile(object, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close() // after an error; otherwise it is closed by then
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if err := rename(f, st.Size(), Escape(main)+"."); err != nil {
		return fmt.Errorf("rename symbols in %s: %w", object, err)
	}
	return f.Close()
}

// readWriterAt is an object to be changed in place: most of it stays as it is.
type readWriterAt interface {
	io.ReaderAt
	io.WriterAt
}

// rename changes an object of that size.
func rename(object readWriterAt, size int64, main string) error {
	f, err := elf.NewFile(object)
	if err != nil {
		return err
	}
	table := f.SectionByType(elf.SHT_SYMTAB)
	if f.Type != elf.ET_REL || f.Class != elf.ELFCLASS64 || f.Data != elf.ELFDATA2LSB || table == nil {
		return errors.New("not an object with symbols")
	}
	symbols, err := table.Data()
	if err != nil {
		return err
	}
	names, err := f.Sections[table.Link].Data()
	if err != nil {
		return err
	}
	added, err := renameSymbols(symbols, names, main)
	if err != nil {
		return err
	}
	if _, err := object.WriteAt(symbols, int64(table.Offset)); err != nil || len(added) == 0 {
		return err
	}
	// The table of names moves to the end of the file, where there is room for it.
	end := (size + 7) &^ 7
	if _, err := object.WriteAt(names, end); err != nil {
		return err
	}
	if _, err := object.WriteAt(added, end+int64(len(names))); err != nil {
		return err
	}
	head := make([]byte, 8)
	if _, err := object.ReadAt(head, 40); err != nil {
		return err
	}
	header := int64(binary.LittleEndian.Uint64(head)) + int64(table.Link)*sectionSize
	place := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, uint64(end)), uint64(len(names)+len(added)))
	_, err = object.WriteAt(place, header+24)
	return err
}

// renameSymbols changes a table of symbols in place, and returns what the table of their names must be continued with.
func renameSymbols(symbols, names []byte, main string) (added []byte, err error) {
	text := unsafe.String(unsafe.SliceData(names), len(names))
	for s := symbols; len(s) >= symbolSize; s = s[symbolSize:] {
		from := binary.LittleEndian.Uint32(s)
		if int(from) >= len(text) {
			return nil, errors.New("a symbol's name lies outside of the table")
		}
		undefined := elf.SectionIndex(binary.LittleEndian.Uint16(s[6:])) == elf.SHN_UNDEF
		old, _, _ := strings.Cut(text[from:], "\x00")
		name := old
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
			binary.LittleEndian.PutUint32(s, uint32(len(names)+len(added)))
			added = append(append(added, name...), 0)
		}
	}
	return added, nil
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
