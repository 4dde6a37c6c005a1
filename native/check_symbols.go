package native

import (
	"maps"
	"slices"
	"strings"
)

// programSymbols finds the image's C functions that the host program has, too: the dynamic loader takes the program's.
func (c *checker) programSymbols() {
	if both := c.collisions(c.exe); len(both) > 0 {
		c.add(Reason{Code: HostSymbol, Subject: list(both), Want: "C names that the host doesn't define", Found: "the host defines them",
			Remedy: "declare them static, rename them, or build with `sohost build`, which keeps a plugin's C code to itself"})
	}
}

// loadedSymbols finds the image's C functions that an open image has, too: the dynamic loader takes the oldest.
func (c *checker) loadedSymbols() {
	for _, l := range c.loaded {
		if both := c.collisions(l.Info); len(both) > 0 {
			c.add(Reason{Code: LoadedSymbol, Subject: list(both), Want: "C names that no open image defines", Found: "defined by " + l.Path,
				Remedy:            "declare them static, or build with `sohost build`, which keeps a plugin's C code to itself; or open it in a fresh process",
				NeedsFreshProcess: true})
		}
	}
}

// collisions returns the C symbols that both define. It is none if every package of the image that uses cgo stands in the other
// file, too: then they share the Go package with its C code.
func (c *checker) collisions(other *Info) []string {
	own := slices.ContainsFunc(c.img.CPackages, func(p string) bool { return other.Packages[p] == "" })
	if !own && len(c.img.CPackages) > 0 {
		return nil
	}
	have := maps.Collect(func(yield func(string, bool) bool) {
		for _, s := range other.CSymbols {
			if !yield(s, true) {
				return
			}
		}
	})
	return slices.DeleteFunc(slices.Clone(c.img.CSymbols), func(s string) bool { return !have[s] })
}

// list names up to eight of the names.
func list(names []string) string {
	if len(names) > 8 {
		return strings.Join(names[:8], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
