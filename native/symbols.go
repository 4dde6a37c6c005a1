package native

import (
	"bytes"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// hashSymbol is the prefix of the symbols that hold the link-time hashes of packages.
const hashSymbol = "go:link.pkghashbytes."

// hashSize is the size of such a hash in bytes.
const hashSize = 8

// symbolTable is the dynamic symbol table of a file and its names, as they are in the file.
type symbolTable struct {
	f     *elfFile
	table []byte
	names names
	entry int
}

// symbols has the facts from the dynamic symbol table.
type symbols struct {
	packages  map[string]string // import path to hash
	mains     []string          // the packages that define a function main
	c         []string          // symbols that belong to no Go package
	cgo       map[string]string // the hash in a cgo prefix to its package
	libraries []string
}

func (f *elfFile) symbolTable() (*symbolTable, error) {
	table, names, err := f.linked(elf.SHT_DYNSYM)
	if err != nil {
		return nil, err
	}
	entry := elf.Sym64Size
	if f.Class == elf.ELFCLASS32 {
		entry = elf.Sym32Size
	}
	return &symbolTable{f, table, names, entry}, nil
}

// each calls fn for every symbol that the file defines for other files. The name is valid only during the call.
func (t *symbolTable) each(fn func(name []byte, typ elf.SymType, addr uint64)) error {
	read := 0
	for b := t.table; len(b) >= t.entry; b = b[t.entry:] {
		var name uint32
		var info uint8
		var section uint16
		var addr uint64
		if order := t.f.ByteOrder; t.entry == elf.Sym64Size {
			name, info, section, addr = order.Uint32(b), b[4], order.Uint16(b[6:]), order.Uint64(b[8:])
		} else {
			name, addr, info, section = order.Uint32(b), uint64(order.Uint32(b[4:])), b[12], order.Uint16(b[14:])
		}
		if elf.SectionIndex(section) == elf.SHN_UNDEF || elf.ST_BIND(info) == elf.STB_LOCAL {
			continue
		}
		n := t.names.at(uint64(name))
		if read += len(n); read > maxRead {
			return fmt.Errorf("%w: more than %d bytes of symbol names", ErrMalformed, maxRead)
		}
		if len(n) > 0 {
			fn(n, elf.ST_TYPE(info), addr)
		}
	}
	return nil
}

// read collects the facts about the Go packages and the C code in the file.
func (t *symbolTable) read() (*symbols, error) {
	s := &symbols{packages: map[string]string{}, cgo: map[string]string{}}
	kept := 0
	keep := func(name []byte) string {
		if kept += len(name) + 32; kept > maxKept { // including the overhead of a string or map entry
			return ""
		}
		return string(name)
	}
	err := t.each(func(name []byte, typ elf.SymType, addr uint64) {
		switch {
		case bytes.HasPrefix(name, []byte(hashSymbol)):
			pkg := name[len(hashSymbol):]
			if s.packages[string(pkg)] != "" {
				break
			}
			if h := t.f.at(addr, hashSize); h != nil {
				s.packages[keep(pkg)] = hex.EncodeToString(h)
			}
		case typ == elf.STT_FUNC && bytes.HasSuffix(name, []byte(".main")):
			s.mains = append(s.mains, keep(name[:len(name)-len(".main")]))
		case !bytes.ContainsAny(name, ".:"):
			s.c = append(s.c, keep(name))
		default:
			if pkg, hash, ok := cgoVariable(name); ok && s.cgo[string(hash)] == "" {
				s.cgo[keep(hash)] = keep(pkg)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	if kept > maxKept {
		return nil, fmt.Errorf("%w: more than %d bytes of symbol names", ErrMalformed, maxKept)
	}
	// Symbol names are escaped, package names are not.
	byPrefix := make(map[string]string, len(s.packages))
	for p := range s.packages {
		byPrefix[escape(p)] = p
	}
	s.mains = slices.DeleteFunc(s.mains, func(m string) bool { return byPrefix[m] == "" })
	for i, m := range s.mains {
		s.mains[i] = byPrefix[m]
	}
	for hash, p := range s.cgo {
		if plain := byPrefix[p]; plain != "" {
			s.cgo[hash] = plain
		}
	}
	slices.Sort(s.mains)
	slices.Sort(s.c)
	s.c = slices.Compact(s.c)
	s.libraries, err = t.f.libraries()
	return s, err
}

// exported returns the exported variables and functions of a package.
func (t *symbolTable) exported(pkg string) ([]string, error) {
	prefix := []byte(escape(pkg) + ".")
	var names []string
	kept := 0
	err := t.each(func(name []byte, _ elf.SymType, _ uint64) {
		rest, ok := bytes.CutPrefix(name, prefix)
		if !ok || bytes.ContainsAny(rest, ".:[(") || !isExported(rest) {
			return
		}
		if kept += len(rest) + 32; kept <= maxKept {
			names = append(names, string(rest))
		}
	})
	slices.Sort(names)
	return slices.Compact(names), err
}

// cgoVariable splits the name of the variable through which a package calls one of its C functions:
// <package>._cgo_<12 hex>_Cfunc_<function>.
func cgoVariable(name []byte) (pkg, hash []byte, ok bool) {
	i := bytes.Index(name, []byte("._cgo_"))
	if i < 0 {
		return nil, nil, false
	}
	hash = name[i+len("._cgo_"):]
	if len(hash) < 13 || hash[12] != '_' {
		return nil, nil, false
	}
	return name[:i], hash[:12], true
}

// libraries returns the libraries that the dynamic section lists.
func (f *elfFile) libraries() ([]string, error) {
	table, names, err := f.linked(elf.SHT_DYNAMIC)
	if err != nil || f.Class != elf.ELFCLASS64 {
		return nil, err
	}
	var libs []string
	for b := table; len(b) >= 16 && len(libs) < 256; b = b[16:] {
		if elf.DynTag(f.ByteOrder.Uint64(b)) != elf.DT_NEEDED {
			continue
		}
		if n := names.at(f.ByteOrder.Uint64(b[8:])); len(n) > 0 {
			libs = append(libs, string(n))
		}
	}
	return libs, nil
}

// escape escapes an import path as the Go linker does in symbol names: dots after the last slash and bytes that aren't plain text
// become %xx.
func escape(path string) string {
	slash := strings.LastIndexByte(path, '/')
	var b strings.Builder
	for i := range len(path) {
		if c := path[i]; c <= ' ' || c == '.' && i > slash || c == '%' || c == '"' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02x", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
