package native

import (
	"fmt"
	"slices"
)

// contract reports whether a package is a contract of the host, or is one's because a contract imports it: no other package of an
// isolated image keeps its path outside the standard library.
func (c *checker) contract(p string) bool {
	if slices.Contains(c.exe.Contracts, p) {
		return true
	}
	return c.img.Seal != nil && len(c.exe.Contracts) > 0 && !c.shared(p) && !c.img.marked(p) && !c.img.Standard(p)
}

// privateContracts adds the contracts of the host of which the image has a copy of its own. It would load, and none of its types
// would be the host's.
func (c *checker) privateContracts() {
	if c.img.Seal == nil {
		return
	}
	for _, p := range c.img.Seal.Private {
		if path := c.img.importPath(p); slices.Contains(c.exe.Contracts, path) {
			c.add(Reason{Code: NoContract, Subject: path, Want: "the host's package, which it shares with its plugins",
				Found: "a copy of the plugin's own", Remedy: "build the plugin again for this host: `sohost build --host HOST`"})
		}
	}
}

// contractRemedy returns the remedy for a contract of which host and image have different sources.
func (c *checker) contractRemedy(p string) string {
	const build = "build the plugin again with `sohost build --host HOST`"
	w, f := c.exe.Module(p), c.img.Module(p)
	if w != nil && w.Sum != "" && (f == nil || f.Version != w.Version) {
		return fmt.Sprintf("run `go get %s@%s` in the plugin's module and %s", w.Path, w.Version, build)
	}
	return "let the plugin's source of it be the one that the host was built from, and " + build
}
