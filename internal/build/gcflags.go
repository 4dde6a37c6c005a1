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
// each time: with some hundred packages that takes seconds. So modules are marked as a whole, and then the packages that
// differ.
func (p *plan) gcflags(all, std, main string) []string {
	patterns := p.modulePatterns()
	for _, path := range slices.Sorted(maps.Keys(p.marks)) {
		if path != p.Main && effective(patterns, path) != p.marks[path] {
			patterns = append(patterns, markPattern{path, p.marks[path]})
		}
	}
	var out []string
	if p.Slim {
		out = append(out, "-gcflags=std="+strings.TrimSpace(std+" "+slimFlag+" "+wholeMaps), "-asmflags=std="+slimFlag)
	}
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
	}
	return out
}

// markPattern is a mark for the packages that match a pattern.
type markPattern struct {
	pattern string
	mark    mark
}

// modulePatterns returns for each module the mark that most of its packages have. Nested modules come after the module around
// them, because the last matching pattern counts.
func (p *plan) modulePatterns() []markPattern {
	counts := make(map[string]map[mark]int)
	for path, module := range p.modules {
		if counts[module] == nil {
			counts[module] = make(map[mark]int)
		}
		counts[module][p.marks[path]]++
	}
	var out []markPattern
	for _, module := range slices.Sorted(maps.Keys(counts)) {
		first, _, _ := strings.Cut(module, "/")
		if !strings.Contains(first, ".") {
			continue // the pattern could match packages of the standard library
		}
		most := slices.MaxFunc(slices.Collect(maps.Keys(counts[module])), func(a, b mark) int {
			return cmp.Or(cmp.Compare(counts[module][a], counts[module][b]), cmp.Compare(a.String(), b.String()))
		})
		out = append(out, markPattern{module + "/...", most})
	}
	return out
}

// effective returns the mark that a package gets from the patterns.
func effective(patterns []markPattern, path string) mark {
	var m mark
	for _, p := range patterns {
		if module, ok := strings.CutSuffix(p.pattern, "/..."); p.pattern == path || ok && within(path, module) {
			m = p.mark
		}
	}
	return m
}
