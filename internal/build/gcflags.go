package build

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// gcflags returns the -gcflags that carry the marks. all holds compiler flags for every package, std those for the
// standard library, main those for package main.
//
// The flag for package main comes last, because the go command records the last one in the build info. One flag for each
// package would be enough, but the go command matches every pattern with every package, compiling a regular expression
// each time: with some hundred packages that takes seconds, with some dozens a tenth of one. So all packages get the mark
// that most have, then those of the standard library get none, then modules are marked as a whole, and then the packages
// that differ.
func (p *plan) gcflags(all, std, main string) []string {
	most := mostly(slices.Collect(maps.Values(p.marks)))
	patterns := p.modulePatterns(most)
	for _, path := range slices.Sorted(maps.Keys(p.marks)) {
		if path != p.Main && effective(patterns, path, most) != p.marks[path] {
			patterns = append(patterns, markPattern{path, p.marks[path]})
		}
	}
	patterns = slices.Insert(patterns, 0, markPattern{"all", most})
	var out []string
	for _, m := range append(patterns, markPattern{p.Main, p.marks[p.Main]}) {
		flags := []string{m.mark.String()}
		if p.Slim {
			flags = append(flags, slimFlag)
		}
		if all != "" {
			flags = append(flags, all)
		}
		if main != "" && m.pattern == p.Main {
			flags = append(flags, main)
		}
		out = append(out, "-gcflags="+m.pattern+"="+strings.Join(flags, " "))
		if m.pattern == "all" {
			out = append(out, p.stdFlags(std)...)
		}
	}
	return out
}

// stdFlags returns the flags for the standard library, which has no marks.
func (p *plan) stdFlags(std string) []string {
	if !p.Slim {
		return []string{"-gcflags=std=" + std}
	}
	return []string{"-gcflags=std=" + strings.TrimSpace(std+" "+slimFlag+" "+wholeMaps), "-asmflags=std=" + slimFlag}
}

// mostly returns the most frequent of marks.
func mostly(marks []mark) mark {
	counts := make(map[mark]int)
	for _, m := range marks {
		counts[m]++
	}
	return slices.MaxFunc(slices.Collect(maps.Keys(counts)), func(a, b mark) int {
		return cmp.Or(cmp.Compare(counts[a], counts[b]), cmp.Compare(a.String(), b.String()))
	})
}

// markPattern is a mark for the packages that match a pattern.
type markPattern struct {
	pattern string
	mark    mark
}

// modulePatterns returns for each module the mark that most of its packages have, if that isn't the one they have without. Nested
// modules come after the module around them, because the last matching pattern counts.
func (p *plan) modulePatterns(without mark) []markPattern {
	marks := make(map[string][]mark)
	for path, module := range p.modules {
		marks[module] = append(marks[module], p.marks[path])
	}
	var out []markPattern
	for _, module := range slices.Sorted(maps.Keys(marks)) {
		first, _, _ := strings.Cut(module, "/")
		if !strings.Contains(first, ".") {
			continue // the pattern could match packages of the standard library
		}
		if most := mostly(marks[module]); most != effective(out, module, without) {
			out = append(out, markPattern{module + "/...", most})
		}
	}
	return out
}

// effective returns the mark that a package gets from the patterns, or the one that it has without.
func effective(patterns []markPattern, path string, without mark) mark {
	m := without
	for _, p := range patterns {
		if module, ok := strings.CutSuffix(p.pattern, "/..."); p.pattern == path || ok && within(path, module) {
			m = p.mark
		}
	}
	return m
}
