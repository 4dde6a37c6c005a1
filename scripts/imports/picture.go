package main

import (
	"errors"
	"maps"
	"path"
	"slices"
	"strings"
)

const (
	opening = "<!-- imports -->\n"
	closing = "<!-- /imports -->"
	width   = 96
)

// renew replaces the picture in text, which is Markdown.
func renew(text, picture string) (string, error) {
	before, rest, ok := strings.Cut(text, opening)
	_, after, ok2 := strings.Cut(rest, closing)
	if !ok || !ok2 {
		return "", errors.New("no " + strings.TrimSpace(opening) + " … " + closing)
	}
	return before + opening + "```text\n" + picture + "```\n" + closing + after, nil
}

// picture draws the packages in layers; every package imports only from layers below its own. In pkgs, a package comes after
// those that it imports.
func picture(pkgs []*pkg) string {
	imports := map[string][]string{}
	names := map[string]string{}
	height := map[string]int{}    // the longest way down
	imported := map[string]bool{} // by a package of the picture
	top := 0
	for _, p := range pkgs {
		if p.short == "" {
			continue
		}
		names[p.ImportPath] = p.short
		imports[p.short] = nil
		for _, path := range p.Imports {
			if name := names[path]; name != "" {
				imports[p.short] = append(imports[p.short], name)
				height[p.short] = max(height[p.short], height[name]+1)
				imported[name] = true
			}
		}
		top = max(top, height[p.short])
	}
	// A package stands just below the lowest one that imports it, close to its users. If no package imports it, it stands at
	// the top if it is a program, otherwise as low as it can.
	layer := map[string]int{}
	for _, p := range slices.Backward(pkgs) {
		name := p.short
		if name == "" {
			continue
		}
		if !imported[name] {
			layer[name] = height[name]
			if p.Name == "main" {
				layer[name] = top
			}
		}
		for _, below := range imports[name] {
			if l, ok := layer[below]; !ok || l >= layer[name] {
				layer[below] = layer[name] - 1
			}
		}
	}

	column := 0
	for name := range imports {
		column = max(column, len(name)+2)
	}
	var b strings.Builder
	for l := top; l >= 0; l-- {
		if l < top {
			b.WriteString(strings.Repeat("─", width) + "\n")
		}
		for _, name := range slices.Sorted(maps.Keys(imports)) {
			if layer[name] != l {
				continue
			}
			line := name
			at := len(line)
			for i, word := range grouped(imports[name]) {
				switch {
				case i == 0:
					line += strings.Repeat(" ", column-len(name)) + "▶"
					at = column + 1
				case at+1+len(word) > width:
					line += "\n" + strings.Repeat(" ", column+1)
					at = column + 1
				}
				line += " " + word
				at += 1 + len(word)
			}
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// grouped joins names of one directory: internal/{build,watch}.
func grouped(names []string) []string {
	last := map[string][]string{}
	for _, name := range names {
		last[path.Dir(name)] = append(last[path.Dir(name)], path.Base(name))
	}
	var words []string
	for _, dir := range slices.Sorted(maps.Keys(last)) {
		slices.Sort(last[dir])
		switch {
		case dir == ".":
			words = append(words, last[dir]...)
		case len(last[dir]) == 1:
			words = append(words, dir+"/"+last[dir][0])
		default:
			words = append(words, dir+"/{"+strings.Join(last[dir], ",")+"}")
		}
	}
	return words
}
