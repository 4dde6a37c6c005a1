package slim

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"unsafe"
)

// Host is a program that loads plugins, as far as the linker needs it.
type Host struct {
	Machine elf.Machine

	symbols  *symbols // the dynamic symbols that it defines
	sections []*elf.Section
	content  *elf.File
	types    func() map[uint64]string // names of type descriptors, by address; read when first needed
}

// ReadHost reads a host program. The caller closes it.
func ReadHost(file string) (*Host, error) {
	f, err := elf.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read the host: %w", err)
	}
	h := &Host{Machine: f.Machine, content: f, sections: f.Sections}
	h.types = sync.OnceValue(h.readTypes)
	if err := h.read(); err != nil {
		f.Close() // read only
		return nil, fmt.Errorf("read the host: %w", err)
	}
	return h, nil
}

// Close closes the host's file.
func (h *Host) Close() error { return h.content.Close() }

func (h *Host) read() error {
	f := h.content
	if f.Class != elf.ELFCLASS64 || f.Data != elf.ELFDATA2LSB {
		return errors.New("it is for no 64-bit machine with little endian words")
	}
	section := f.SectionByType(elf.SHT_DYNSYM)
	if section == nil || int(section.Link) >= len(f.Sections) {
		return errors.New("it has no dynamic symbols")
	}
	table, err := section.Data()
	if err != nil {
		return err
	}
	names, err := f.Sections[section.Link].Data()
	if err != nil {
		return err
	}
	h.symbols = &symbols{table: table, text: unsafe.String(unsafe.SliceData(names), len(names))}
	hashes := f.SectionByType(elf.SHT_GNU_HASH)
	if hashes == nil {
		h.symbols.byName()
		return nil
	}
	b, err := hashes.Data()
	if err != nil {
		return err
	}
	h.symbols.hashes = b
	return nil
}

// symbol returns the symbol that the host defines under a name.
func (h *Host) symbol(name string) (symbol, bool) { return h.symbols.find(name) }

// Unfit returns why slim images can't be made for the host, or "".
func (h *Host) Unfit() string {
	switch {
	case h.content.Type != elf.ET_EXEC:
		return "the host is position-independent"
	case h.Machine != elf.EM_X86_64 && h.Machine != elf.EM_AARCH64:
		return "of machines such as the host's nothing is known"
	}
	if _, ok := h.symbol("runtime.lastmoduledatap"); !ok {
		return "the host has no plugin support"
	}
	if h.nextModule() == 0 {
		return "the host's runtime has a table of modules that isn't known"
	}
	return ""
}

// nextModule returns where in the runtime's description of a module the address of the next one is, or 0 if it isn't where it is known
// to be: at the end.
func (h *Host) nextModule() uint64 {
	const lastField = 24 // bytes, at the end of a struct's descriptor without methods: name, type, offset
	s, _ := h.symbol("type:runtime.moduledata")
	pointer, _ := h.symbol(mangled("type:*runtime.moduledata"))
	b := h.bytes(s.value, s.size)
	if len(b) < typeSize+lastField || b[kindOffset]&kindMask != kindStruct {
		return 0
	}
	size, field := binary.LittleEndian.Uint64(b), b[len(b)-lastField:]
	offset := binary.LittleEndian.Uint64(field[16:])
	if pointer.value == 0 || binary.LittleEndian.Uint64(field[8:]) != pointer.value || offset+8 != size {
		return 0
	}
	return offset
}

// Hash returns the hash of a package that the host has, as the runtime compares it.
func (h *Host) Hash(pkg string) (hash [8]byte, ok bool) {
	s, ok := h.symbol("go:link.pkghashbytes." + pkg)
	if !ok || s.size != uint64(len(hash)) {
		return hash, false
	}
	b := h.bytes(s.value, s.size)
	return [8]byte(b), b != nil
}

// HasPackage reports whether the host has a package, or part of it.
func (h *Host) HasPackage(pkg string) bool {
	_, ok := h.symbol("go:link.pkghashbytes." + pkg)
	return ok
}

// bytes returns the initial content of the host's memory, or nil if the file doesn't say it.
func (h *Host) bytes(address, size uint64) []byte {
	for _, s := range h.sections {
		if s.Addr != 0 && s.Type != elf.SHT_NOBITS && s.Addr <= address && address+size <= s.Addr+s.Size && address+size >= address {
			b := make([]byte, size)
			if _, err := s.ReadAt(b, int64(address-s.Addr)); err != nil {
				return nil
			}
			return b
		}
	}
	return nil
}

// ReadTypes reads where the host's type descriptors are, which Closure.Stub needs. It may be called beside Close.
func (h *Host) ReadTypes() { h.types() }

func (h *Host) readTypes() map[uint64]string {
	types := make(map[uint64]string)
	for name, s := range h.symbols.all() {
		if isDescriptor(name) {
			types[s.value] = name
		}
	}
	return types
}

// typeAt returns the name of the type descriptor at an address, or "".
func (h *Host) typeAt(address uint64) string { return h.types()[address] }
