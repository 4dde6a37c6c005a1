package native

import (
	"bytes"
	"debug/elf"
	"fmt"
	"slices"
	"strings"
)

// ContractsVariable is the name of the variable in which a host program names the packages that it shares with its plugins besides
// the standard library and package abi, its contracts:
//
//	var SohostContracts = []string{"example.com/app/contract"}
//
// It may be declared in any package of the program. Its value must be a literal of constant strings, because it is read from the
// program's file, without running it: by whoever builds a plugin for the program, or judges an image for it.
const ContractsVariable = "SohostContracts"

// Limits on what a file may claim about its contracts.
const (
	maxContracts = 1024
	maxPath      = 1024 // bytes of one import path
)

// contracts returns the import paths that the program's contract variables hold, sorted. fault says which of them can't be read.
func (t *symbolTable) contracts() (paths []string, fault string, err error) {
	suffix := []byte("." + ContractsVariable)
	var variables []string
	var addrs []uint64
	err = t.each(func(name []byte, typ elf.SymType, addr uint64) {
		if typ == elf.STT_OBJECT && bytes.HasSuffix(name, suffix) && len(addrs) < maxContracts {
			variables, addrs = append(variables, string(name)), append(addrs, addr)
		}
	})
	if err != nil {
		return nil, "", err
	}
	data := &staticData{f: t.f}
	for i, addr := range addrs {
		list, ok := data.strings(addr)
		name := strings.ReplaceAll(variables[i], "%2e", ".")
		const form = "a list of import paths in constant strings, as in var " + ContractsVariable + " = []string{\"example.com/app/contract\"}"
		if !ok || slices.ContainsFunc(list, notPath) {
			return nil, fmt.Sprintf("the value of %s can't be read from the file: it must be %s", name, form), nil
		}
		if list == nil {
			return nil, fmt.Sprintf("%s has no value in the file: if code sets it, let it be %s; without contracts remove it, or let it be []string{}",
				name, form), nil
		}
		paths = append(paths, list...)
	}
	slices.Sort(paths)
	return slices.Compact(paths), "", nil
}

// notPath reports whether a string can't be an import path.
func notPath(s string) bool {
	return s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"'`\\:;*?<>|", r) })
}

// staticData reads the values that Go variables have when a program starts.
type staticData struct {
	f     *elfFile
	rela  []byte // relocations with addends
	asked bool
}

// word returns the word at an address. In a program that is loaded anywhere a pointer is a relocation, whose addend is the address in
// the file. Without one the word itself is the address, or with the compact form of relocations, what is added to the base.
func (d *staticData) word(addr uint64) (v uint64, ok bool) {
	b := d.f.at(addr, 8)
	if b == nil || d.f.Class != elf.ELFCLASS64 {
		return 0, false
	}
	v = d.f.ByteOrder.Uint64(b)
	if d.f.Type != elf.ET_DYN {
		return v, true
	}
	if !d.asked {
		d.asked = true
		for _, s := range d.f.Sections {
			if s.Type == elf.SHT_RELA && s.Flags&elf.SHF_ALLOC != 0 {
				table, err := d.f.table(s)
				if err != nil {
					return 0, false
				}
				d.rela = append(d.rela, table...)
			}
		}
	}
	const size = 24
	for r := d.rela; len(r) >= size; r = r[size:] {
		if d.f.ByteOrder.Uint64(r) == addr {
			return d.f.ByteOrder.Uint64(r[16:]), true
		}
	}
	return v, true
}

// strings returns the elements of a variable of type []string: nil if that is nil, as also if code sets it when the program starts.
func (d *staticData) strings(addr uint64) (list []string, ok bool) {
	for _, s := range d.f.Sections {
		if s.Type == elf.SHT_NOBITS && s.Flags&elf.SHF_TLS == 0 && addr >= s.Addr && addr-s.Addr < s.Size {
			return nil, true
		}
	}
	array, ok1 := d.word(addr)
	n, ok2 := d.word(addr + 8)
	capacity, ok3 := d.word(addr + 16)
	if !ok1 || !ok2 || !ok3 || n > capacity || n > maxContracts {
		return nil, false
	}
	list = []string{}
	for i := range n {
		at, ok1 := d.word(array + 16*i)
		size, ok2 := d.word(array + 16*i + 8)
		if !ok1 || !ok2 || size > maxPath {
			return nil, false
		}
		text := d.f.at(at, int(size))
		if text == nil {
			return nil, false
		}
		list = append(list, string(text))
	}
	return list, true
}
