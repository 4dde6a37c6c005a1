package slim

import (
	"debug/elf"
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"github.com/sohost/sohost/internal/goobj"
)

// StubName is the name that a stub's file must have.
const StubName = "libsohost.so"

// internalSuffix ends the names of functions with ABIInternal in Go shared libraries, but not in programs. Rename removes it.
const internalSuffix = ".abiinternal"

// Stub returns a shared library, as the Go linker reads it, with what a plugin needs of the host: names and, of types, their
// descriptors. It can't be loaded.
//
// The linker finds the types that a type refers to by relocations, which a program has none of: they are told from the addresses in the
// descriptors. Types have the names that objects know, and additionally those of linked files if only these are known.
func (c *Closure) Stub(h *Host) []byte {
	s := &stub{host: h, at: make(map[string]uint64), file: newFile(elf.ET_DYN, h.Machine)}
	for _, n := range slices.SortedFunc(maps.Keys(c.needed), compareNames) {
		theirs, _ := h.symbol(c.needed[n])
		s.add(n, theirs)
	}
	s.file.symbol(markerSymbol, elf.STT_OBJECT, stubBase, markerSize, 1)
	s.types()
	return s.file.library(s.data, stubBase, s.relocations)
}

// stubBase is the address of the stub's one section.
const stubBase = 0x10000

type stub struct {
	host        *Host
	file        *file
	at          map[string]uint64 // addresses of descriptors in the stub, by the host's names
	names       []string          // those of the descriptors to look into, in order
	data        []byte
	relocations []byte
}

func (s *stub) add(n name, theirs symbol) {
	switch {
	case isDescriptor(n.text) && !isFunction(theirs):
		s.file.symbol(n.text, elf.STT_OBJECT, s.descriptor(mangled(n.text)), theirs.size, 1)
	case n.abi == goobj.ABI0 && isFunction(theirs):
		text := n.text
		if _, ok := s.host.symbol(mangled(n.text) + ".abi0"); ok {
			text += ".abi0"
		}
		s.file.symbol(text, elf.STT_FUNC, stubBase, theirs.size, 1)
	case isFunction(theirs) && !strings.HasPrefix(n.text, typePrefix):
		s.file.symbol(n.text+internalSuffix, elf.STT_FUNC, stubBase, theirs.size, 1)
	default:
		s.file.symbol(n.text, theirs.kind, stubBase, theirs.size, 1)
	}
}

// descriptor copies a type descriptor of the host, with the mask of its pointers, and returns its address.
func (s *stub) descriptor(theirs string) uint64 {
	if at, ok := s.at[theirs]; ok {
		return at
	}
	symbol, _ := s.host.symbol(theirs)
	content := s.host.bytes(symbol.value, symbol.size)
	if len(content) < typeSize {
		content = make([]byte, max(symbol.size, typeSize)) // the linker complains about it, if it matters
	}
	at := s.append(content)
	if mask := s.host.mask(content); mask != nil {
		address := s.append(mask) // which may move the data
		binary.LittleEndian.PutUint64(s.data[at-stubBase+maskOffset:], address)
	}
	s.at[theirs] = at
	s.names = append(s.names, theirs)
	return at
}

// append appends content and returns its address.
func (s *stub) append(content []byte) uint64 {
	s.data = append(s.data, make([]byte, -len(s.data)&7)...)
	at := stubBase + uint64(len(s.data))
	s.data = append(s.data, content...)
	return at
}

// types makes relocations of the references from arrays and structs to their parts.
func (s *stub) types() {
	for i := 0; i < len(s.names); i++ {
		theirs, _ := s.host.symbol(s.names[i])
		at := s.at[s.names[i]]
		content := slices.Clone(s.data[at-stubBase : at-stubBase+max(theirs.size, typeSize)])
		if !isComposite(content) {
			continue
		}
		for offset := typeSize; offset+8 <= len(content); offset += 8 {
			part := s.host.typeAt(binary.LittleEndian.Uint64(content[offset:]))
			if part == "" {
				continue
			}
			known, _ := s.host.symbol(part)
			index := s.file.symbol(part, elf.STT_OBJECT, s.descriptor(part), known.size, 1)
			s.relocations = binary.LittleEndian.AppendUint64(s.relocations, at+uint64(offset))
			s.relocations = binary.LittleEndian.AppendUint64(s.relocations, uint64(index)<<32|absolute(s.host.Machine))
			s.relocations = binary.LittleEndian.AppendUint64(s.relocations, 0)
		}
	}
}

// absolute returns the type of a relocation that is a symbol's whole address.
func absolute(m elf.Machine) uint64 {
	if m == elf.EM_AARCH64 {
		return uint64(elf.R_AARCH64_ABS64)
	}
	return uint64(elf.R_X86_64_64)
}

func compareNames(a, b name) int {
	if c := strings.Compare(a.text, b.text); c != 0 {
		return c
	}
	return int(a.abi) - int(b.abi)
}
