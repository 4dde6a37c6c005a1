package slim

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"strings"
	"unsafe"
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
	all, err := symbolsOf(image, f)
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

// symbolsOf returns the symbols of a linked file that only debuggers read. They stay in the image, which must not change meanwhile where
// their names are.
func symbolsOf(image []byte, f *elf.File) (*symbols, error) {
	section := f.SectionByType(elf.SHT_SYMTAB)
	if section == nil || int(section.Link) >= len(f.Sections) {
		return nil, elf.ErrNoSymbols
	}
	table, err := sectionOf(image, section)
	if err != nil {
		return nil, err
	}
	names, err := sectionOf(image, f.Sections[section.Link])
	if err != nil {
		return nil, err
	}
	return &symbols{table: table, text: unsafe.String(unsafe.SliceData(names), len(names))}, nil
}

// sectionOf returns a section's bytes in the image.
func sectionOf(image []byte, s *elf.Section) ([]byte, error) {
	from, to := s.Offset, s.Offset+s.FileSize
	if s.Type == elf.SHT_NOBITS || from > to || to > uint64(len(image)) {
		return nil, fmt.Errorf("section %s lies outside of the file", s.Name)
	}
	return image[from:to:to], nil
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
