package build

import (
	"debug/elf"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Images are loaded with RTLD_GLOBAL: the dynamic linker resolves a name to its first definition, including the host's. By
// default a second generation would therefore call the C functions of the first. A version script removes the plugin's C
// symbols from the dynamic symbol table, so that each image uses its own.

// hide adds a version script to the linker's arguments, for the named symbols and for those of C code in archives.
func hide(args []string, work string, named []string, archives []string) ([]string, error) {
	symbols := make(map[string]bool)
	for _, s := range named {
		symbols[s] = true
	}
	for _, a := range archives {
		if err := cSymbols(a, symbols); err != nil {
			return nil, fmt.Errorf("look for C symbols in %s: %w", a, err)
		}
	}
	if len(symbols) == 0 {
		return args, nil
	}
	script := filepath.Join(work, "sohost.ver")
	if err := os.WriteFile(script, []byte(versionScript(slices.Sorted(maps.Keys(symbols)))), 0o600); err != nil {
		return nil, err
	}
	// The linker uses only the last -extldflags.
	flags, args, _ := flagValue(args, "-extldflags")
	items, err := splitQuoted(flags)
	if err != nil {
		return nil, fmt.Errorf("-extldflags: %w", err)
	}
	// Static libraries are not in the archives, but their symbols must not leave the image either. Unlike -Wl, -Xlinker
	// accepts names with a comma.
	items = append(items, "-Wl,--exclude-libs,ALL", "-Xlinker", "--version-script="+script)
	joined, err := joinQuoted(items)
	if err != nil {
		return nil, fmt.Errorf("-extldflags: %w", err)
	}
	// Flags must come before the main archive.
	return slices.Insert(args, len(args)-1, "-extldflags="+joined), nil
}

// versionScript returns a version script that makes the symbols local. _cgoexp_ functions are the Go side of exported
// functions; their names come from the sources of a package and are the same in every build of it.
func versionScript(symbols []string) string {
	var b strings.Builder
	b.WriteString("{\n\tlocal:\n\t\t_cgoexp_*;\n")
	for _, s := range symbols {
		fmt.Fprintf(&b, "\t\t%q;\n", s)
	}
	b.WriteString("};\n")
	return b.String()
}

// cSymbols collects the symbols that the ELF objects in a package archive export.
func cSymbols(archive string, into map[string]bool) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close() // read only
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	return archiveMembers(f, fi.Size(), func(name string, member *io.SectionReader) error {
		magic := make([]byte, len(elf.ELFMAG))
		if _, err := member.ReadAt(magic, 0); err != nil || string(magic) != elf.ELFMAG {
			return nil
		}
		obj, err := elf.NewFile(member)
		if err != nil {
			return err
		}
		symbols, err := obj.Symbols()
		if err != nil {
			return nil // an object without symbols has nothing to hide
		}
		for _, s := range symbols {
			exported := elf.ST_BIND(s.Info) != elf.STB_LOCAL && s.Section != elf.SHN_UNDEF
			if exported && !strings.ContainsAny(s.Name, "\"\\") { // a version script has no way to quote these
				into[s.Name] = true
			}
		}
		return nil
	})
}
