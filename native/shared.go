package native

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// SharedPrivate returns the import paths of the private packages that two different images share, because both have them with
// the same content: a process has one set of their variables and runs their init functions once. Sorted.
func SharedPrivate(a, b *Info) []string {
	var shared []string
	if a.Seal == nil || b.Seal == nil || a.PluginPath == b.PluginPath {
		return nil
	}
	for _, p := range a.Seal.Private {
		if b.marked(p) {
			shared = append(shared, a.importPath(p))
		}
	}
	return shared // in order, because those of the seal are
}

// Shared says which images have private packages in common, with the same content.
type Shared struct {
	Images   []int    // indexes
	Packages []string // import paths, sorted
}

// SharedAmong returns what several images share, as SharedPrivate does for two: one element for all packages that the same images have, in
// the order of the images.
func SharedAmong(all []*Info) (shared []Shared) {
	owners := map[string][]int{} // of private packages
	for i, info := range all {
		if info != nil && info.Seal != nil {
			for _, p := range info.Seal.Private {
				owners[p] = append(owners[p], i)
			}
		}
	}
	groups := map[string]int{}
	for p, images := range owners {
		first := all[images[0]]
		if !slices.ContainsFunc(images, func(i int) bool { return all[i].PluginPath != first.PluginPath }) {
			continue // one image, for however many plugins
		}
		key := fmt.Sprint(images)
		if _, has := groups[key]; !has {
			groups[key] = len(shared)
			shared = append(shared, Shared{Images: images})
		}
		g := &shared[groups[key]]
		g.Packages = append(g.Packages, first.importPath(p))
	}
	for _, g := range shared {
		slices.Sort(g.Packages)
	}
	slices.SortFunc(shared, func(a, b Shared) int {
		return cmp.Or(slices.Compare(a.Images, b.Images), slices.Compare(a.Packages, b.Packages))
	})
	return shared
}

// A Collision explains a panic in a package that two images share. Such a package may be a registry, as of metrics, in which a name is
// taken that both use.
type Collision struct {
	Package string `json:"package"` // import path of the shared package that panicked
	Pattern string `json:"pattern"` // matches the packages of its module
	With    string `json:"with"`    // import path of the main package of an open image that has it too
}

func (c *Collision) String() string {
	return fmt.Sprintf("package %s is shared with %s, which may have taken the name; to give this plugin its own copy, write //sohost:fresh %s "+
		"into its package main and build it again with sohost build", c.Package, c.With, c.Pattern)
}

// taken are words in panics of registries about a name that is taken.
var taken = []string{"duplicate", "already", "twice", "redefin", "re-register", "multiple registrations",
	"is taken", "exists", "in use", "conflict"}

// FindCollision explains a panic of the image, whose value and stack, in the form of debug.Stack, are given. It returns nil if the panic
// isn't about a name that is taken, or didn't come from a package that an open image shares.
func FindCollision(value any, stack []byte, image *Info) *Collision {
	var others []*Info
	for _, im := range opened.images() {
		others = append(others, im.info)
	}
	return findCollision(value, stack, image, others)
}

func findCollision(value any, stack []byte, image *Info, others []*Info) *Collision {
	text := strings.ToLower(fmt.Sprint(value))
	if !slices.ContainsFunc(taken, func(word string) bool { return strings.Contains(text, word) }) {
		return nil
	}
	pkg := panicked(string(stack), image)
	if pkg == "" {
		return nil
	}
	for _, o := range slices.Backward(others) { // the newest is the likeliest to serve
		if _, ok := o.Packages[pkg]; !ok || !o.marked(pkg) || o.PluginPath == image.PluginPath {
			continue
		}
		c := &Collision{Package: image.importPath(pkg), Pattern: image.importPath(pkg), With: o.Path}
		for _, m := range image.Deps { // the module's own path, whatever replaces it
			if within(c.Package, m.Path) {
				c.Pattern = m.Path + "/..."
			}
		}
		return c
	}
	return nil
}

// panicked returns the private package of the image whose function is the innermost one below the panic in a stack, or "".
func panicked(stack string, image *Info) string {
	below := false
	for line := range strings.Lines(stack) {
		switch {
		case strings.HasPrefix(line, "panic("):
			below = true
		case below && !strings.HasPrefix(line, "\t"):
			if pkg := functionPackage(line); image.marked(pkg) {
				return pkg
			}
		}
	}
	return ""
}

// functionPackage returns the package of the function in a line of a stack, such as "example.com/p%2ev1.(*T).M(...)".
func functionPackage(line string) string {
	// The receiver of a method, type arguments and the arguments come after the package, and may have slashes of their own.
	if end := strings.IndexAny(line, "(["); end >= 0 {
		line = line[:end]
	}
	slash := strings.LastIndexByte(line, '/')
	dot := strings.IndexByte(line[slash+1:], '.')
	if dot < 0 {
		return ""
	}
	return strings.ReplaceAll(line[:slash+1+dot], "%2e", ".")
}
