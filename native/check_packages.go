package native

import (
	"fmt"
	"maps"
	"slices"
)

// packages returns the image's packages, sorted, without its main package, which has no counterpart in other files.
func (c *checker) packages() []string {
	all := slices.Sorted(maps.Keys(c.img.Packages))
	return slices.DeleteFunc(all, func(p string) bool { return p == c.img.PluginPath || p == "main" })
}

func (c *checker) shared(pkg string) bool {
	return slices.Contains(c.want.Shared, pkg)
}

// standardDiffers counts the packages of the standard library that differ from the host program's.
func (c *checker) standardDiffers() (n int) {
	for p, hash := range c.img.Packages {
		if w, ok := c.exe.Packages[p]; ok && w != hash && c.img.Standard(p) {
			n++
		}
	}
	return n
}

// programPackages compares the packages that image and host program have in common.
func (c *checker) programPackages() {
	for _, p := range c.want.Shared {
		if _, ok := c.exe.Packages[p]; !ok {
			c.add(Reason{Code: HostCannotLoad, Subject: p, Want: "a host that contains the package", Found: "a host without it",
				Remedy: "name the host program that the plugin is for"})
		} else if _, ok := c.img.Packages[p]; !ok {
			c.add(Reason{Code: NoContract, Subject: p, Want: "a plugin that imports the package", Found: "a plugin without it",
				Remedy: fmt.Sprintf("import %q in the plugin", p)})
		}
	}
	c.privateContracts()
	common, differ := 0, c.standardDiffers()
	for p := range c.img.Packages {
		if _, ok := c.exe.Packages[p]; ok && c.img.Standard(p) {
			common++
		}
	}
	whole := differ > 1 && differ == common
	if whole {
		c.add(Reason{Code: WrongPackage, Subject: "std", Want: "the host's standard library",
			Found:  fmt.Sprintf("another build of it (%d packages differ)", differ),
			Remedy: "build the plugin with the same Go installation and flags as the host"})
	}
	for _, p := range c.packages() {
		w, ok := c.exe.Packages[p]
		if !ok || whole && c.img.Standard(p) {
			continue
		}
		if f := c.img.Packages[p]; w != f {
			c.add(c.wrongPackage(p, w, f))
		} else if r, ok := c.otherModule(p); ok {
			c.add(r)
		}
	}
}

func (c *checker) wrongPackage(p, want, found string) Reason {
	r := Reason{Code: WrongPackage, Subject: p, Want: version(c.exe, p, want), Found: version(c.img, p, found)}
	switch {
	case c.shared(p):
		r.Remedy = "build the plugin again with the host's version of the package: `sohost build --host HOST`"
	case c.contract(p):
		r.Remedy = c.contractRemedy(p)
	case c.img.Standard(p):
		r.Remedy = "build the plugin with the same Go installation and flags as the host"
	default:
		r.Remedy = "build it with `sohost build`, which gives the plugin its own copy of the package, or use the host's version"
	}
	return r
}

// otherModule reports a package whose interface matches the host's but whose code is from another release. The runtime would
// run the host's code.
func (c *checker) otherModule(p string) (Reason, bool) {
	if c.shared(p) || c.img.Standard(p) || c.img.marked(p) {
		return Reason{}, false
	}
	w, f := c.exe.Module(p), c.img.Module(p)
	if w == nil || f == nil || w.Sum == "" || f.Sum == "" || w.Sum == f.Sum {
		return Reason{}, false
	}
	r := Reason{Code: WrongPackage, Subject: p, Want: w.Path + " " + w.Version, Found: f.Path + " " + f.Version,
		Remedy: "build it with `sohost build`, which gives the plugin its own copy of the package, or use the host's version"}
	if c.contract(p) {
		r.Remedy = c.contractRemedy(p)
	}
	return r, true
}

// version describes the build of a package: its module's version, if known, and its hash.
func version(i *Info, p, hash string) string {
	if m := i.Module(p); m != nil && m.Version != "" && m.Version != "(devel)" {
		return fmt.Sprintf("%s (%s)", m.Version, hash)
	}
	return hash
}

// identity compares the image's identity with those of the open images.
func (c *checker) identity() {
	for _, l := range c.loaded {
		if l.Info.PluginPath == c.img.PluginPath {
			found := "open from " + l.Path
			if l.Broken {
				found = "what is left of an image of this identity that could not be opened"
			}
			c.add(Reason{Code: Duplicate, Subject: c.img.PluginPath, Want: "an identity that is not open yet", Found: found,
				Remedy: "build it with `sohost build`, which gives each build its own identity", NeedsNewProcess: true})
			return
		}
	}
}

// loadedPackages compares the packages that the host program doesn't have with those of the open images.
func (c *checker) loadedPackages() {
	for _, p := range c.packages() {
		if _, ok := c.exe.Packages[p]; ok {
			continue
		}
		i := slices.IndexFunc(c.loaded, func(l Loaded) bool { return l.Info.Packages[p] != "" })
		if i < 0 {
			continue
		}
		first := c.loaded[i]
		w, f := first.Info.Packages[p], c.img.Packages[p]
		r := Reason{Subject: p, Want: version(first.Info, p, w), Found: version(c.img, p, f), NeedsNewProcess: true,
			Remedy: "build it with `sohost build`, which names packages by their content, or open it in a new process"}
		switch {
		case w != f:
			r.Code = LoadedPackage
			r.Want += ", open from " + first.Path
		case first.Broken:
			r.Code = BrokenPackage
			r.Want, r.Found = "an initialised package", "one from "+first.Path+", which failed or is still being opened"
			r.Remedy = "open it in a new process"
		case !c.img.Standard(p) && !c.shared(p) && !(c.img.marked(p) && first.Info.marked(p)) && !sameSource(p, first.Info, c.img):
			r.Code = UnprovenPackage
			r.Want, r.Found = "the code opened from "+first.Path, "code that may differ"
		default:
			continue
		}
		c.add(r)
	}
}

// sameSource reports whether two files prove that a package was built from the same source in the same way: both name the same
// checksum of its module, or the same clean commit of the main module. A link-time hash is no proof, because it covers only
// the interface.
func sameSource(pkg string, a, b *Info) bool {
	for _, s := range []string{
		"-tags", "-gcflags", "-asmflags", "-pgo", "CGO_ENABLED", "CGO_CFLAGS", "CGO_CPPFLAGS", "CGO_CXXFLAGS", "CGO_LDFLAGS",
	} {
		if a.Settings[s] != b.Settings[s] {
			return false
		}
	}
	m, n := a.Module(pkg), b.Module(pkg)
	if m == nil || n == nil || m.Path != n.Path || m.Version != n.Version || m.Sum != n.Sum {
		return false
	}
	return m.Sum != "" || a.Main.Path == b.Main.Path && m.Path == a.Main.Path && sameCommit(a, b)
}

func sameCommit(a, b *Info) bool {
	clean := func(i *Info) string {
		if i.Settings["vcs.modified"] != "false" {
			return ""
		}
		return i.Settings["vcs"] + " " + i.Settings["vcs.revision"]
	}
	return clean(a) != "" && clean(a) == clean(b)
}
