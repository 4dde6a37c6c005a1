package native

import (
	"slices"
	"strings"
)

// programSymbols finds C functions of the image that the host program also has. The dynamic loader would use the program's.
func (c *checker) programSymbols() {
	if both := c.collisions(c.exe); len(both) > 0 {
		c.add(Reason{Code: HostSymbol, Subject: list(both), Want: "C names that the host doesn't define", Found: "the host defines them",
			Remedy: "declare them static, rename them, or build with `sohost build`, which keeps a plugin's C code to itself"})
	}
}

// loadedSymbols finds C functions of the image that open images also have. The dynamic loader would use the oldest.
func (c *checker) loadedSymbols() {
	taken := make(map[string]bool)
	for _, l := range c.loaded {
		both := slices.DeleteFunc(c.collisions(l.Info), func(s string) bool { return taken[s] })
		for _, s := range both {
			taken[s] = true
		}
		if len(both) > 0 {
			c.add(Reason{Code: LoadedSymbol, Subject: list(both), Want: "C names that no open image defines", Found: "defined by " + l.Path,
				Remedy: "declare them static, or build with `sohost build`, which keeps a plugin's C code to itself; " +
					"or open it in a new process",
				NeedsNewProcess: true})
		}
	}
}

// collisions returns the C symbols that both files define. There are none if the other file also has every package of the
// image that uses cgo, because then they share the Go package with its C code.
func (c *checker) collisions(other *Info) []string {
	missing := func(p string) bool { return other.Packages[p] == "" }
	if len(c.img.CPackages) > 0 && !slices.ContainsFunc(c.img.CPackages, missing) {
		return nil
	}
	var both []string
	for _, s := range c.img.CSymbols {
		if _, ok := slices.BinarySearch(other.CSymbols, s); ok {
			both = append(both, s)
		}
	}
	return both
}

// list joins up to eight of the names.
func list(names []string) string {
	if len(names) > 8 {
		return strings.Join(names[:8], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
