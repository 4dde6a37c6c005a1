package slim

import (
	"debug/elf"
	"encoding/binary"
	"iter"
	"strings"
)

// symbol is a dynamic symbol.
type symbol struct {
	value, size uint64
	kind        elf.SymType
	section     elf.SectionIndex
}

const symbolSize = 24 // of Elf64_Sym

// symbols are the dynamic symbols that a program defines. A program has a hundred thousand and few are asked for, so they are found as the
// dynamic linker finds them, by the hash table in the file.
type symbols struct {
	table  []byte
	text   string
	hashes []byte            // the section .gnu.hash, or nil
	names  map[string]symbol // for a program without that
}

// at returns the symbol with an index.
func (s *symbols) at(i int) (name string, found symbol, ok bool) {
	if i < 0 || (i+1)*symbolSize > len(s.table) {
		return "", symbol{}, false
	}
	b := s.table[i*symbolSize:]
	at, index := binary.LittleEndian.Uint32(b), elf.SectionIndex(binary.LittleEndian.Uint16(b[6:]))
	if index == elf.SHN_UNDEF || int(at) >= len(s.text) {
		return "", symbol{}, false
	}
	name, _, _ = strings.Cut(s.text[at:], "\x00")
	return name, symbol{
		value: binary.LittleEndian.Uint64(b[8:]), size: binary.LittleEndian.Uint64(b[16:]), kind: elf.ST_TYPE(b[4]), section: index,
	}, true
}

// all returns all of them.
func (s *symbols) all() iter.Seq2[string, symbol] {
	return func(yield func(string, symbol) bool) {
		for i := range len(s.table) / symbolSize {
			if name, found, ok := s.at(i); ok && !yield(name, found) {
				return
			}
		}
	}
}

func (s *symbols) byName() {
	s.names = make(map[string]symbol)
	for name, found := range s.all() {
		s.names[name] = found
	}
}

// find returns the symbol of a name.
func (s *symbols) find(name string) (symbol, bool) {
	if s.hashes == nil {
		found, ok := s.names[name]
		return found, ok
	}
	word := func(i int) (uint32, bool) {
		if i < 0 || (i+1)*4 > len(s.hashes) {
			return 0, false
		}
		return binary.LittleEndian.Uint32(s.hashes[4*i:]), true
	}
	// In words: the numbers of buckets, of the first symbol, of the filter's words of 8 bytes, and the filter's shift; the filter; for each
	// bucket its first symbol; for each symbol its hash, the last bit of which says that the bucket ends.
	buckets, _ := word(0)
	first, _ := word(1)
	filter, _ := word(2)
	if buckets == 0 {
		return symbol{}, false
	}
	hash := uint32(5381)
	for i := range len(name) {
		hash = hash*33 + uint32(name[i])
	}
	base := 4 + 2*int(filter)
	i, ok := word(base + int(hash%buckets))
	if !ok || i < first {
		return symbol{}, false
	}
	for ; ; i++ {
		theirs, ok := word(base + int(buckets) + int(i-first))
		if !ok {
			return symbol{}, false
		}
		if theirs|1 == hash|1 {
			if text, found, ok := s.at(int(i)); ok && text == name {
				return found, true
			}
		}
		if theirs&1 != 0 {
			return symbol{}, false
		}
	}
}
