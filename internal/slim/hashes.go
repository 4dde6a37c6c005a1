package slim

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Every plugin states two hashes of each package that it consists of or was compiled against: the one that it was linked with, and, for
// other plugins, its own. The runtime compares the first with what the process has. The hash covers the indices of symbols, which
// packages that refer to each other by name don't have, so it is another one although everything else is the same.

// SetHashes gives the packages of a linked image the hashes that they have in ordinary builds, in place, and returns how many it has
// set. Packages that aren't in the map keep theirs.
func SetHashes(image []byte, hashes map[string][8]byte) (int, error) {
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return 0, err
	}
	all, err := symbolsOf(f)
	if err != nil {
		return 0, fmt.Errorf("look for the hashes of packages: %w", err)
	}
	content := make(map[string][]byte)
	for name, s := range all.all() {
		if strings.HasPrefix(name, "go:link.pkg") {
			content[name] = contentOf(image, f, s)
		}
	}
	set := 0
	for i := 0; ; i++ {
		name, ok := content[fmt.Sprintf("go:link.pkgname.%d", i)]
		if !ok {
			break
		}
		pkg := string(bytes.TrimRight(name, "\x00"))
		hash, ok := hashes[pkg]
		if !ok {
			continue
		}
		for _, s := range []string{fmt.Sprintf("go:link.pkglinkhash.%d", i), "go:link.pkghashbytes." + pkg} {
			if len(content[s]) < len(hash) {
				return 0, fmt.Errorf("the image has no %s", s)
			}
			copy(content[s], hash[:])
		}
		set++
	}
	if set == 0 {
		return 0, errors.New("the image states no hashes of packages")
	}
	return set, nil
}

// symbolsOf returns the symbols of a linked file that only debuggers read.
func symbolsOf(f *elf.File) (*symbols, error) {
	section := f.SectionByType(elf.SHT_SYMTAB)
	if section == nil || int(section.Link) >= len(f.Sections) {
		return nil, elf.ErrNoSymbols
	}
	table, err := section.Data()
	if err != nil {
		return nil, err
	}
	names, err := f.Sections[section.Link].Data()
	if err != nil {
		return nil, err
	}
	return &symbols{table: table, text: string(names)}, nil
}

// contentOf returns the bytes of a symbol in the image.
func contentOf(image []byte, f *elf.File, s symbol) []byte {
	if int(s.section) >= len(f.Sections) {
		return nil
	}
	section := f.Sections[s.section]
	from := section.Offset + s.value - section.Addr
	if section.Type == elf.SHT_NOBITS || s.value < section.Addr || s.value+s.size > section.Addr+section.Size || from+s.size > uint64(len(image)) {
		return nil
	}
	return image[from : from+s.size]
}

// DropSymbols returns the image without the symbols that only debuggers read. They make up a third of a slim one.
func DropSymbols(image []byte) ([]byte, error) {
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return nil, err
	}
	end := uint64(0) // of what is loaded
	for _, p := range f.Progs {
		end = max(end, p.Off+p.Filesz)
	}
	table := f.SectionByType(elf.SHT_SYMTAB)
	if table == nil {
		return image, nil
	}
	strings := f.Sections[table.Link]
	indices := make(map[uint32]uint32) // new by old
	out := bytes.Clone(image[:end])
	var headers []byte
	for i, s := range f.Sections {
		if s == table || s == strings {
			continue
		}
		indices[uint32(i)] = uint32(len(headers) / sectionSize)
		header := bytes.Clone(sectionHeader(image, i))
		if s.Offset >= end && s.Type != elf.SHT_NOBITS && s.FileSize > 0 {
			out = append(out, make([]byte, -len(out)&7)...)
			binary.LittleEndian.PutUint64(header[24:], uint64(len(out)))
			out = append(out, image[s.Offset:s.Offset+s.FileSize]...)
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
	out = append(out, make([]byte, -len(out)&7)...)
	binary.LittleEndian.PutUint64(out[40:], uint64(len(out)))
	binary.LittleEndian.PutUint16(out[60:], uint16(len(headers)/sectionSize))
	names := uint32(binary.LittleEndian.Uint16(out[62:]))
	binary.LittleEndian.PutUint16(out[62:], uint16(indices[names]))
	return append(out, headers...), nil
}

func renumber(field []byte, indices map[uint32]uint32) {
	binary.LittleEndian.PutUint32(field, indices[binary.LittleEndian.Uint32(field)])
}
