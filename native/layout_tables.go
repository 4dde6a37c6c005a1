package native

import (
	"debug/elf"
	"fmt"
)

// tableRules are about the tables by which the loader finds symbols. It follows their chains until they end.
var tableRules = []rule{
	{"dynamic symbols", "a table in constant memory, the one that the sections name", (*layout).readSymbols},
	{"GNU hash table", "chains of all defined symbols that end within the table", (*layout).gnuHash},
	{"hash table", "chains of symbols that end", (*layout).sysvHash},
	{"symbol versions", "a version for each symbol, from a library that is needed", (*layout).versions},
}

func (l *layout) readSymbols() string {
	addr, _ := l.value(elf.DT_SYMTAB)
	strings, _ := l.value(elf.DT_STRTAB)
	s := l.f.SectionByType(elf.SHT_DYNSYM)
	if s == nil || s.Addr != addr || s.FileSize%elf.Sym64Size != 0 || s.FileSize == 0 || s.Link >= uint32(len(l.f.Sections)) {
		return "a section of another place or size"
	}
	names := l.f.Sections[s.Link]
	if names.Addr != strings || names.FileSize != uint64(len(l.strings)) || !l.placed(names) || !l.placed(s) {
		return "names in a section of another place or size"
	}
	if l.symbols = l.constant(addr, s.FileSize); l.symbols == nil {
		return span(addr, s.FileSize)
	}
	return ""
}

// placed reports whether a section is where its segment has it.
func (l *layout) placed(s *elf.Section) bool {
	p := l.load(s.Addr, s.FileSize)
	return p != nil && s.Addr-p.Vaddr == s.Offset-p.Off
}

// symbol is an entry of the symbol table.
func (l *layout) symbol(i uint64) (s elf.Sym64) {
	b := l.symbols[i*elf.Sym64Size:]
	return elf.Sym64{Name: l.order.Uint32(b), Info: b[4], Other: b[5], Shndx: l.order.Uint16(b[6:]),
		Value: l.order.Uint64(b[8:]), Size: l.order.Uint64(b[16:])}
}

func (l *layout) symbolCount() uint64 { return uint64(len(l.symbols) / elf.Sym64Size) }

// gnuHash walks the whole table: a header, a Bloom filter, buckets with the first symbol of a chain, and the chains, in which the
// lowest bit marks the end. A symbol that its chain doesn't have is looked for in other images.
func (l *layout) gnuHash() string {
	addr, ok := l.value(elf.DT_GNU_HASH)
	if !ok {
		return ""
	}
	head := l.constant(addr, 16)
	if head == nil || addr%8 != 0 {
		return span(addr, 16)
	}
	buckets, first, words, shift := uint64(l.order.Uint32(head)), uint64(l.order.Uint32(head[4:])), uint64(l.order.Uint32(head[8:])), l.order.Uint32(head[12:])
	n := l.symbolCount()
	if buckets == 0 || buckets > 1<<24 || !powerOfTwo(words) || words > 1<<24 || shift > 31 || first > n || first == 0 {
		return fmt.Sprintf("%d buckets, %d words of filter shifted by %d, and chains from symbol %d of %d", buckets, words, shift, first, n)
	}
	table := l.constant(addr+16, words*8+buckets*4+(n-first)*4)
	if table == nil {
		return fmt.Sprintf("%d symbols beyond the end of the segment", n)
	}
	filter, heads, chains := table[:words*8], table[words*8:][:buckets*4], table[words*8+buckets*4:]
	next := first
	for b := range buckets {
		at := uint64(l.order.Uint32(heads[b*4:]))
		if at == 0 {
			continue
		}
		if at != next { // linkers sort the symbols by bucket
			return fmt.Sprintf("bucket %d begins with symbol %d, after %d", b, at, next)
		}
		for end := false; !end; next++ {
			if next >= n {
				return fmt.Sprintf("the chain of bucket %d doesn't end", b)
			}
			h := l.order.Uint32(chains[(next-first)*4:])
			want := hashGNU(l.strings, l.symbol(next).Name)
			word := l.order.Uint64(filter[uint64(want)/64%words*8:])
			if h|1 != want|1 || uint64(want)%buckets != b || word>>(want%64)&1 == 0 || word>>(want>>shift%64)&1 == 0 {
				return fmt.Sprintf("symbol %d is not where its name belongs", next)
			}
			end = h&1 == 1
		}
	}
	if next != n {
		return fmt.Sprintf("chains of %d symbols, of %d", next, n)
	}
	return ""
}

// hashGNU returns the hash of a name in the strings; one that is out of range is empty.
func hashGNU(strings names, name uint32) uint32 {
	h := uint32(5381)
	if uint64(name) < uint64(len(strings)) {
		for _, c := range strings[name:] {
			if c == 0 {
				break
			}
			h = h*33 + uint32(c)
		}
	}
	return h
}

// sysvHash walks the older table, in which a chain is a list of symbols that ends with 0.
func (l *layout) sysvHash() string {
	addr, ok := l.value(elf.DT_HASH)
	if !ok {
		return ""
	}
	head := l.constant(addr, 8)
	if head == nil {
		return span(addr, 8)
	}
	buckets, n := uint64(l.order.Uint32(head)), uint64(l.order.Uint32(head[4:]))
	table := l.constant(addr+8, (buckets+n)*4)
	if buckets == 0 || n != l.symbolCount() || table == nil {
		return fmt.Sprintf("%d buckets and %d symbols, of %d", buckets, n, l.symbolCount())
	}
	seen := make([]bool, n)
	for b := range buckets {
		for at := uint64(l.order.Uint32(table[b*4:])); at != 0; at = uint64(l.order.Uint32(table[(buckets+at)*4:])) {
			if at >= n || seen[at] {
				return fmt.Sprintf("the chain of bucket %d doesn't end", b)
			}
			seen[at] = true
		}
	}
	return ""
}
