package slim

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
)

// DropSymbols removes the symbols that only debuggers read from the image, in place, and returns what is left: the beginning of it. They
// make up a third of a slim one. After an error the image is as it was.
func DropSymbols(image []byte) ([]byte, error) {
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return nil, err
	}
	end := uint64(0) // of what is loaded, which stays where it is
	for _, p := range f.Progs {
		end = max(end, p.Off+p.Filesz)
	}
	table := f.SectionByType(elf.SHT_SYMTAB)
	if table == nil {
		return image, nil
	}
	strings := f.Sections[table.Link]
	indices := make(map[uint32]uint32) // new by old
	var rest, headers []byte           // of what comes after that
	pad := func() { rest = append(rest, make([]byte, -(int(end)+len(rest))&7)...) }
	for i, s := range f.Sections {
		if s == table || s == strings {
			continue
		}
		indices[uint32(i)] = uint32(len(headers) / sectionSize)
		header := bytes.Clone(sectionHeader(image, i))
		if s.Offset >= end && s.Type != elf.SHT_NOBITS && s.FileSize > 0 {
			content, err := sectionOf(image, s)
			if err != nil {
				return nil, err
			}
			pad()
			binary.LittleEndian.PutUint64(header[24:], end+uint64(len(rest)))
			rest = append(rest, content...)
		}
		headers = append(headers, header...)
	}
	for h := headers; len(h) > 0; h = h[sectionSize:] {
		renumber(h[40:], indices)
		kind, flags := elf.SectionType(binary.LittleEndian.Uint32(h[4:])), elf.SectionFlag(binary.LittleEndian.Uint64(h[8:]))
		if kind == elf.SHT_RELA || kind == elf.SHT_REL || flags&elf.SHF_INFO_LINK != 0 {
			renumber(h[44:], indices)
		}
	}
	pad()
	at := end + uint64(len(rest)) // of the headers
	if at+uint64(len(headers)) > uint64(len(image)) {
		return nil, errors.New("the image wouldn't become smaller")
	}
	out := append(append(image[:end], rest...), headers...)
	binary.LittleEndian.PutUint64(out[40:], at)
	binary.LittleEndian.PutUint16(out[60:], uint16(len(headers)/sectionSize))
	names := uint32(binary.LittleEndian.Uint16(out[62:]))
	binary.LittleEndian.PutUint16(out[62:], uint16(indices[names]))
	return out, nil
}

func renumber(field []byte, indices map[uint32]uint32) {
	binary.LittleEndian.PutUint32(field, indices[binary.LittleEndian.Uint32(field)])
}
