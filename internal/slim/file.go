package slim

import (
	"debug/elf"
	"encoding/binary"
)

// file is an ELF file in the making, with one section of content.
type file struct {
	kind    elf.Type
	machine elf.Machine
	table   []byte         // symbols
	names   []byte         // their names
	indices map[string]int // their indices in the table
}

func newFile(kind elf.Type, machine elf.Machine) *file {
	return &file{kind: kind, machine: machine, table: make([]byte, symbolSize), names: []byte{0}, indices: make(map[string]int)}
}

// symbol adds a global symbol if there is none with that name, and returns its index.
func (f *file) symbol(text string, kind elf.SymType, value, size uint64, section uint16) int {
	if i, ok := f.indices[text]; ok {
		return i
	}
	i := len(f.table) / symbolSize
	f.indices[text] = i
	f.table = binary.LittleEndian.AppendUint32(f.table, uint32(len(f.names)))
	f.table = append(f.table, elf.ST_INFO(elf.STB_GLOBAL, kind), byte(elf.STV_DEFAULT))
	f.table = binary.LittleEndian.AppendUint16(f.table, section)
	f.table = binary.LittleEndian.AppendUint64(f.table, value)
	f.table = binary.LittleEndian.AppendUint64(f.table, size)
	f.names = append(append(f.names, text...), 0)
	return i
}

// section is a section header with its content.
type section struct {
	name    string
	header  elf.Section64
	content []byte
}

// library returns the file as a shared library.
func (f *file) library(data []byte, address uint64, relocations []byte) []byte {
	return f.bytes([]section{
		{".rodata", elf.Section64{Type: uint32(elf.SHT_PROGBITS), Flags: uint64(elf.SHF_ALLOC), Addr: address, Addralign: 8}, data},
		{".dynsym", elf.Section64{Type: uint32(elf.SHT_DYNSYM), Flags: uint64(elf.SHF_ALLOC), Link: 3, Info: 1, Addralign: 8, Entsize: symbolSize}, f.table},
		{".dynstr", elf.Section64{Type: uint32(elf.SHT_STRTAB), Flags: uint64(elf.SHF_ALLOC), Addralign: 1}, f.names},
		{".rela.dyn", elf.Section64{Type: uint32(elf.SHT_RELA), Flags: uint64(elf.SHF_ALLOC), Link: 2, Addralign: 8, Entsize: 24}, relocations},
	})
}

// object returns the file as a relocatable object.
func (f *file) object(data []byte) []byte {
	return f.bytes([]section{
		{".data", elf.Section64{Type: uint32(elf.SHT_PROGBITS), Flags: uint64(elf.SHF_ALLOC | elf.SHF_WRITE), Addralign: 8}, data},
		{".symtab", elf.Section64{Type: uint32(elf.SHT_SYMTAB), Link: 3, Info: 1, Addralign: 8, Entsize: symbolSize}, f.table},
		{".strtab", elf.Section64{Type: uint32(elf.SHT_STRTAB), Addralign: 1}, f.names},
		{".note.GNU-stack", elf.Section64{Type: uint32(elf.SHT_PROGBITS), Addralign: 1}, nil}, // no executable stack
	})
}

const (
	headerSize  = 64 // of Elf64_Ehdr
	sectionSize = 64 // of Elf64_Shdr
)

func (f *file) bytes(sections []section) []byte {
	names := []byte{0}
	for i := range sections {
		sections[i].header.Name = uint32(len(names))
		names = append(append(names, sections[i].name...), 0)
	}
	sections = append(sections, section{"", elf.Section64{Type: uint32(elf.SHT_STRTAB), Addralign: 1, Name: uint32(len(names))}, nil})
	sections[len(sections)-1].content = append(names, ".shstrtab\x00"...)
	out := make([]byte, headerSize)
	for i := range sections {
		out = append(out, make([]byte, -len(out)&7)...)
		sections[i].header.Off, sections[i].header.Size = uint64(len(out)), uint64(len(sections[i].content))
		out = append(out, sections[i].content...)
	}
	out = append(out, make([]byte, -len(out)&7)...)
	header := elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(f.kind), Machine: uint16(f.machine), Version: uint32(elf.EV_CURRENT), Shoff: uint64(len(out)),
		Ehsize: headerSize, Shentsize: sectionSize, Shnum: uint16(len(sections) + 1), Shstrndx: uint16(len(sections)),
	}
	if _, err := binary.Encode(out, binary.LittleEndian, &header); err != nil {
		panic(err) // the types have a fixed size
	}
	out = append(out, make([]byte, sectionSize)...)
	for _, s := range sections {
		var err error
		if out, err = binary.Append(out, binary.LittleEndian, &s.header); err != nil {
			panic(err) // the types have a fixed size
		}
	}
	return out
}
