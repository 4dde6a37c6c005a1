package native

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

// program is the file of a host program, in which its symbols are looked up. There are tens of thousands, and they are asked for now
// and then: they stay in the file, and each look-up reads some bytes of its hash table.
type program struct {
	path string
	file os.FileInfo

	mu  sync.Mutex          // guards has
	has map[string]struct{} // names that it was found to define: images take much the same
}

// errNoProgram is for a Process that was made from facts alone.
var errNoProgram = errors.New("no program file is known")

// lacks returns those of the names that the program doesn't define for the images it opens.
func (p *program) lacks(names []string) (missing []string, err error) {
	if p == nil {
		return nil, errNoProgram
	}
	if names = p.unknown(names); len(names) == 0 {
		return nil, nil
	}
	file, err := os.Open(p.path)
	if err != nil {
		return nil, fmt.Errorf("read the symbols of the host: %w", err)
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the symbols of the host: %w", err)
	}
	if !os.SameFile(st, p.file) || st.Size() != p.file.Size() || !st.ModTime().Equal(p.file.ModTime()) {
		return nil, fmt.Errorf("read the symbols of the host: %s has been replaced meanwhile", p.path)
	}
	f, err := readELF(file, st.Size())
	if err != nil {
		return nil, fmt.Errorf("read the symbols of the host: %w", err)
	}
	missing, err = f.lacks(names)
	if err != nil {
		return nil, fmt.Errorf("read the symbols of the host: %w", err)
	}
	p.found(names, missing)
	return missing, nil
}

// unknown returns those of the names that the program wasn't found to define so far.
func (p *program) unknown(names []string) (unknown []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range names {
		if _, has := p.has[n]; !has {
			unknown = append(unknown, n)
		}
	}
	return unknown
}

// found notes that the program defines the names, but for those that are missing.
func (p *program) found(names, missing []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.has == nil {
		p.has = make(map[string]struct{})
	}
	for _, n := range names {
		p.has[strings.Clone(n)] = struct{}{} // the name is a part of all that an image takes
	}
	for _, n := range missing {
		delete(p.has, n)
	}
}

// lacks returns those of the names that the file doesn't define for other files.
func (f *elfFile) lacks(names []string) ([]string, error) {
	if h := f.hashTable(); h != nil {
		return h.lacks(names)
	}
	// The linker was told to make the older table only. It is rare: then all symbols are read.
	t, err := f.symbolTable()
	if err != nil {
		return nil, err
	}
	wanted := make(map[string]bool, len(names))
	for _, n := range names {
		wanted[n] = true
	}
	err = t.each(func(name []byte, _ elf.SymType, _ uint64) {
		if wanted[string(name)] {
			wanted[string(name)] = false
		}
	})
	var missing []string
	for _, n := range names {
		if wanted[n] {
			missing = append(missing, n)
		}
	}
	return missing, err
}

// hashTable is the GNU hash table of a file with its symbols and their names, none of which is in memory.
type hashTable struct {
	f                     *elfFile
	filter, heads, chains int64 // offsets in the file
	buckets, first, words uint32
	shift                 uint32
	symbols, strings      *elf.Section
}

// hashTable returns the file's GNU hash table, or nil if it has none that can be used.
func (f *elfFile) hashTable() *hashTable {
	s, symbols := f.SectionByType(elf.SHT_GNU_HASH), f.SectionByType(elf.SHT_DYNSYM)
	if f.Class != elf.ELFCLASS64 || s == nil || symbols == nil || symbols.Link == 0 || symbols.Link >= uint32(len(f.Sections)) {
		return nil
	}
	head := make([]byte, 16)
	if _, err := f.r.ReadAt(head, int64(s.Offset)); err != nil {
		return nil
	}
	h := &hashTable{f: f, symbols: symbols, strings: f.Sections[symbols.Link], buckets: f.ByteOrder.Uint32(head),
		first: f.ByteOrder.Uint32(head[4:]), words: f.ByteOrder.Uint32(head[8:]), shift: f.ByteOrder.Uint32(head[12:])}
	h.filter = int64(s.Offset) + 16
	h.heads = h.filter + 8*int64(h.words)
	h.chains = h.heads + 4*int64(h.buckets)
	if h.buckets == 0 || !powerOfTwo(uint64(h.words)) || h.shift > 31 || uint64(h.chains-int64(s.Offset)) > s.FileSize {
		return nil
	}
	return h
}

func (h *hashTable) lacks(names []string) (missing []string, err error) {
	for _, n := range names {
		found, err := h.has(n)
		if err != nil {
			return nil, err
		}
		if !found {
			missing = append(missing, n)
		}
	}
	return missing, nil
}

// has reports whether the file defines a symbol.
func (h *hashTable) has(name string) (bool, error) {
	hash := hashGNU(append([]byte(name), 0), 0)
	word, err := h.read(h.filter+8*int64(hash/64&(h.words-1)), 8)
	if err != nil || word>>(hash%64)&1 == 0 || word>>(hash>>h.shift%64)&1 == 0 {
		return false, err
	}
	at, err := h.read(h.heads+4*int64(hash%h.buckets), 4)
	if err != nil || at == 0 {
		return false, err
	}
	for ; at >= uint64(h.first) && at < h.symbols.FileSize/elf.Sym64Size; at++ {
		x, err := h.read(h.chains+4*int64(at-uint64(h.first)), 4)
		if err != nil {
			return false, err
		}
		if uint32(x)|1 == hash|1 {
			if found, err := h.is(at, name); found || err != nil {
				return found, err
			}
		}
		if x&1 == 1 {
			return false, nil
		}
	}
	return false, fmt.Errorf("%w: a chain of the hash table doesn't end", ErrMalformed)
}

// is reports whether a symbol is defined and has the name.
func (h *hashTable) is(symbol uint64, name string) (bool, error) {
	var b [elf.Sym64Size]byte
	if _, err := h.f.r.ReadAt(b[:], int64(h.symbols.Offset+symbol*elf.Sym64Size)); err != nil {
		return false, err
	}
	at := uint64(h.f.ByteOrder.Uint32(b[:]))
	if elf.SectionIndex(h.f.ByteOrder.Uint16(b[6:])) == elf.SHN_UNDEF || !fits(at, uint64(len(name))+1, int64(h.strings.FileSize)) {
		return false, nil
	}
	text := make([]byte, len(name)+1)
	if _, err := h.f.r.ReadAt(text, int64(h.strings.Offset+at)); err != nil && err != io.EOF {
		return false, err
	}
	return string(text) == name+"\x00", nil
}

// read returns a number of 4 or 8 bytes.
func (h *hashTable) read(at int64, n int) (uint64, error) {
	var b [8]byte
	if _, err := h.f.r.ReadAt(b[:n], at); err != nil {
		return 0, fmt.Errorf("%w: its hash table ends early", ErrMalformed)
	}
	if n == 4 {
		return uint64(h.f.ByteOrder.Uint32(b[:])), nil
	}
	return h.f.ByteOrder.Uint64(b[:]), nil
}
