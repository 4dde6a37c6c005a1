package build

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A go:linkname directive names a symbol by its package's path. The paths of the standard library are what they were, but a
// private package's isn't known where the directive stands: neither to its author nor, since packages may push
// symbols into those that import them, to the compiler. So such a symbol keeps the name that the directives say, in all the
// packages concerned: the owner is compiled with a directive of its own for it, and the linker keeps it inside the image.

// linkname is one directive.
type linkname struct {
	local  string
	target string // empty in the form that only marks the symbol as one for others
}

// linknames reads the directives in a Go source file.
func linknames(src []byte) []linkname {
	var out []linkname
	for len(src) > 0 {
		// Most files have none at all.
		i := bytes.Index(src, []byte("//go:linkname "))
		if i < 0 {
			break
		}
		line, rest, _ := bytes.Cut(src[i:], []byte("\n"))
		if i == 0 || src[i-1] == '\n' {
			switch f := strings.Fields(string(line)); len(f) {
			case 2:
				out = append(out, linkname{local: f[1]})
			case 3:
				out = append(out, linkname{local: f[1], target: f[2]})
			}
		}
		src = rest
	}
	return out
}

// linkNames finds the symbols of private packages that directives name. The packages concerned become fresh: which of two
// images a symbol belongs to that has no generation in its name would otherwise depend on who asks.
func (p *plan) linkNames(packages []*listed) error {
	prefixes := make(map[string]string) // of symbols, to import paths
	for _, pkg := range packages {
		prefixes[symbolPrefix(pkg.ImportPath)] = pkg.ImportPath
	}
	named := make(map[string]bool) // by a directive of the owner
	for _, pkg := range packages {
		if !slices.Contains(pkg.Imports, "unsafe") { // directives are allowed only with it
			continue
		}
		for _, name := range slices.Concat(pkg.GoFiles, pkg.CgoFiles) {
			src, err := os.ReadFile(filepath.Join(pkg.Dir, name))
			if err != nil {
				return fmt.Errorf("look for linknames: %w", err)
			}
			for _, l := range linknames(src) {
				prefix, symbol := splitSymbol(l.target)
				owner := prefixes[prefix]
				if owner == "" {
					continue
				}
				if strings.ContainsAny(symbol, ".(") {
					return &Refusal{Kind: ErrPackage, Reason: fmt.Sprintf("%s uses go:linkname for the method %s", filepath.Join(pkg.Dir, name), l.target),
						Remedy: "use it for a function of that package that calls the method"}
				}
				p.Roles[pkg.ImportPath], p.Roles[owner] = roleFresh, roleFresh
				p.Hide = append(p.Hide, l.target)
				if owner == pkg.ImportPath && l.local == symbol {
					named[l.target] = true
				} else {
					p.Aliases[owner] = append(p.Aliases[owner], symbol)
				}
			}
		}
	}
	slices.Sort(p.Hide)
	p.Hide = slices.Compact(p.Hide)
	for owner, symbols := range p.Aliases {
		slices.Sort(symbols)
		p.Aliases[owner] = slices.DeleteFunc(slices.Compact(symbols), func(s string) bool {
			return named[symbolPrefix(owner)+"."+s]
		})
	}
	return nil
}

// splitSymbol divides a symbol's name into its package's prefix, in which dots after the last slash are escaped, and the
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

// aliasFiles gives the compiler of the package with that import path a directive for each of its symbols that others name.
// args are the compiler's arguments, the last being the source files.
func (p *plan) aliasFiles(args []string, importPath, work string) ([]string, error) {
	symbols := p.Aliases[importPath]
	if len(symbols) == 0 {
		return args, nil
	}
	var clause string
	rest := slices.Clone(symbols)
	var rewrites strings.Builder
	for i, name := range args {
		if i == 0 || !strings.HasSuffix(name, ".go") || strings.HasPrefix(args[i-1], "-") && args[i-1] != "-pack" {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if clause == "" {
			clause = packageClause(src)
		}
		marked := slices.DeleteFunc(linknames(src), func(l linkname) bool { return l.target != "" || !slices.Contains(symbols, l.local) })
		if len(marked) == 0 {
			continue
		}
		// A second directive for the same symbol would be an error, so the first is made to say both.
		for _, l := range marked {
			rest = slices.DeleteFunc(rest, func(s string) bool { return s == l.local })
			src = completeDirective(src, l.local, symbolPrefix(importPath)+"."+l.local)
		}
		edited := filepath.Join(work, fmt.Sprintf("sohost_%d.go", i))
		if err := os.WriteFile(edited, src, 0o600); err != nil {
			return nil, err
		}
		fmt.Fprintf(&rewrites, "%s=>%s;", edited, recordedName(args, name))
		args[i] = edited
	}
	if i := argument(args, "-trimpath"); i >= 0 {
		args[i] = rewrites.String() + args[i]
	}
	if len(rest) == 0 {
		return args, nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "package %s\n\nimport _ \"unsafe\"\n", clause)
	for _, s := range rest {
		fmt.Fprintf(&b, "\n//go:linkname %s %s.%s\n", s, symbolPrefix(importPath), s)
	}
	name := filepath.Join(work, "sohost_linkname.go")
	if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
		return nil, err
	}
	return append(args, name), nil
}

// recordedName is the name that -trimpath makes of a source file's.
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

// completeDirective adds the target to the directive that only marks local. The line stays the same line.
func completeDirective(src []byte, local, target string) []byte {
	lines := bytes.SplitAfter(src, []byte("\n"))
	for i, line := range lines {
		if f := bytes.Fields(line); len(f) == 2 && string(f[0]) == "//go:linkname" && string(f[1]) == local {
			lines[i] = fmt.Appendf(nil, "//go:linkname %s %s\n", local, target)
		}
	}
	return bytes.Join(lines, nil)
}

// packageClause finds the package's name in a source file that is known to be valid Go.
func packageClause(src []byte) string {
	for line := range bytes.Lines(src) {
		if f := bytes.Fields(line); len(f) >= 2 && string(f[0]) == "package" {
			name, _, _ := strings.Cut(string(f[1]), ";")
			return name
		}
	}
	return "main"
}
