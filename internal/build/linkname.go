package build

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sohost/sohost/internal/slim"
)

// A go:linkname directive names a symbol by its package's path. The paths of the standard library don't change. If a
// directive names a private package, there are two cases:
//
//   - The package imports the one it names, or is that one: the compiler's wrapper knows the path and writes it into a copy
//     of the file.
//   - It doesn't, for example because it pushes a symbol into a package that imports it. Then neither can know the other's
//     path. The symbol keeps the name used by the directives, in all packages concerned: the owner is compiled with a
//     directive of its own for it, and the linker keeps the symbol inside the image.

// linkname is one directive.
type linkname struct {
	Local  string
	Target string // empty in the form that only marks the symbol as accessible to others
}

const linknameDirective = "//go:linkname "

// linknames reads the directives in a Go source file.
func linknames(src []byte) []linkname {
	var out []linkname
	for _, c := range lineComments(src, linknameDirective) {
		if l, ok := parseLinkname(c.text); ok {
			out = append(out, l)
		}
	}
	return out
}

func parseLinkname(comment string) (linkname, bool) {
	switch f := strings.Fields(comment); len(f) {
	case 2:
		return linkname{Local: f[1]}, true
	case 3:
		return linkname{Local: f[1], Target: f[2]}, true
	}
	return linkname{}, false // the compiler reports it
}

// linkNames finds the symbols of private packages that directives in them name without importing their package. The packages
// concerned become fresh: a symbol without an id in its name would otherwise belong to either of two images.
func (p *plan) linkNames(packages []*listed, in map[string]*scanned) error {
	owners := make(map[string]string) // import paths, by the prefix of symbols
	for _, pkg := range packages {
		owners[slim.Escape(pkg.ImportPath)] = pkg.ImportPath
	}
	namers := make(map[string][]string) // import paths, by the symbol that they name
	named := make(map[string]bool)      // symbols whose owner has a directive for them
	for _, pkg := range packages {
		for _, d := range in[pkg.ImportPath].Directives {
			prefix, symbol := splitSymbol(d.Target)
			owner := owners[prefix]
			if owner == "" {
				continue
			}
			namers[d.Target] = append(namers[d.Target], pkg.ImportPath)
			switch {
			case owner == pkg.ImportPath:
				named[d.Target] = named[d.Target] || d.Local == symbol
			case slices.Contains(pkg.Imports, owner):
				// The compiler's wrapper knows the path.
			case strings.ContainsAny(symbol, ".("):
				return &Refusal{Kind: ErrPackage,
					Reason: fmt.Sprintf("%s uses go:linkname for the method %s of a package that it doesn't import", filepath.Join(pkg.Dir, d.File), d.Target),
					Remedy: "import that package as _"}
			case !slices.Contains(p.Hide, d.Target):
				p.Hide = append(p.Hide, d.Target)
			}
		}
	}
	slices.Sort(p.Hide)
	for _, target := range p.Hide {
		prefix, symbol := splitSymbol(target)
		owner := owners[prefix]
		for _, path := range append(namers[target], owner) {
			p.Roles[path] = roleFresh
		}
		if !named[target] {
			p.Aliases[owner] = append(p.Aliases[owner], symbol)
		}
	}
	return nil
}

// splitSymbol splits a symbol's name into its package's prefix, in which dots after the last slash are escaped, and the
// rest.
func splitSymbol(name string) (prefix, rest string) {
	// The receiver of a method comes after the package, and may have slashes of its own.
	end := len(name)
	if i := strings.IndexAny(name, "(["); i >= 0 {
		end = i
	}
	slash := strings.LastIndexByte(name[:end], '/')
	dot := strings.IndexByte(name[slash+1:], '.')
	if dot < 0 {
		return "", name
	}
	return name[:slash+1+dot], name[slash+1+dot+1:]
}

// directives changes the compiler's arguments so that the go:linkname directives of a package name the new paths. args
// holds the source files among others, relative to dir; paths holds the new paths of this package and of those it imports.
func (p *plan) directives(dir string, args []string, importPath string, paths map[string]string, work string) ([]string, error) {
	prefixes := make(map[string]string)
	for from, to := range paths {
		prefixes[slim.Escape(from)] = slim.Escape(to)
	}
	aliases := slices.Clone(p.Aliases[importPath])
	target := func(l linkname) string {
		if l.Target == "" {
			// A second directive for the same symbol would be an error, so this one gets the target too.
			if i := slices.Index(aliases, l.Local); i >= 0 {
				aliases = slices.Delete(aliases, i, i+1)
				return slim.Escape(importPath) + "." + l.Local
			}
			return ""
		}
		prefix, symbol := splitSymbol(l.Target)
		if prefixes[prefix] == "" || slices.Contains(p.Hide, l.Target) {
			return l.Target
		}
		return prefixes[prefix] + "." + symbol
	}
	var clause, rewrites string
	for i, name := range args {
		if !strings.HasSuffix(name, ".go") || i > 0 && args[i-1] == "-o" {
			continue
		}
		src, err := os.ReadFile(inDir(dir, name))
		if err != nil {
			return nil, err
		}
		if clause == "" {
			clause = packageName(src)
		}
		edited := editDirectives(src, target)
		if bytes.Equal(edited, src) {
			continue
		}
		file := filepath.Join(work, fmt.Sprintf("sohost_%d.go", i))
		if err := os.WriteFile(file, edited, 0o600); err != nil {
			return nil, err
		}
		rewrites += file + "=>" + recordedName(args, name) + ";"
		args[i] = file
	}
	if i := argument(args, "-trimpath"); i >= 0 {
		args[i] = rewrites + args[i]
	}
	if len(aliases) == 0 {
		return args, nil
	}
	src := fmt.Sprintf("package %s\n\nimport _ \"unsafe\"\n", clause)
	for _, s := range aliases {
		src += fmt.Sprintf("\n//go:linkname %s %s.%s\n", s, slim.Escape(importPath), s)
	}
	file := filepath.Join(work, "sohost_linkname.go")
	return append(args, file), os.WriteFile(file, []byte(src), 0o600)
}

// recordedName returns the name that the compiler records for a source file, as -trimpath rewrites it.
func recordedName(args []string, name string) string {
	if i := argument(args, "-trimpath"); i >= 0 {
		for rewrite := range strings.SplitSeq(args[i], ";") {
			if from, to, ok := strings.Cut(rewrite, "=>"); ok && to != "" && within(name, from) {
				return to + strings.TrimPrefix(name, from)
			}
		}
	}
	return name
}

// editDirectives replaces the targets of the directives in a source file by those that target returns. Line numbers stay the
// same.
func editDirectives(src []byte, target func(linkname) string) []byte {
	var out []byte
	done := 0
	for _, c := range lineComments(src, linknameDirective) {
		l, ok := parseLinkname(c.text)
		if !ok {
			continue
		}
		if t := target(l); t != l.Target {
			out = append(out, src[done:c.at]...)
			out = append(out, linknameDirective+l.Local+" "+t...)
			done = c.at + len(c.text)
		}
	}
	return append(out, src[done:]...)
}
