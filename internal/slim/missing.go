package slim

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"slices"
	"strings"
)

// Missing returns which of the Go symbols that a linked image doesn't define the host doesn't define either, sorted. There should be
// none.
func (h *Host) Missing(image string) ([]string, error) {
	f, err := elf.Open(image)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	section := f.SectionByType(elf.SHT_DYNSYM)
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
	var missing []string
	for ; len(table) >= symbolSize; table = table[symbolSize:] {
		at, index := binary.LittleEndian.Uint32(table), elf.SectionIndex(binary.LittleEndian.Uint16(table[6:]))
		if index != elf.SHN_UNDEF || elf.ST_BIND(table[4]) == elf.STB_WEAK || int(at) >= len(names) {
			continue
		}
		text, _, _ := bytes.Cut(names[at:], []byte{0})
		name := string(text)
		if _, ok := h.symbol(name); !ok && strings.ContainsAny(name, ".:") { // others are C's
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return missing, nil
}
