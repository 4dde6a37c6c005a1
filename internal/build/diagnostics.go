package build

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// diagnostics cleans up the go command's messages about the sources: it removes progress lines and the ids in package paths.
func diagnostics(output string) string {
	var lines []string
	for line := range strings.Lines(unrename(output)) {
		if !isProgress(line) {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// position matches a file name with a line number, at the start of a line or after a space or parenthesis.
var position = regexp.MustCompile(`(?m)(^|[\s(])([^\s():]+\.(?:go|s|S|c|h|cc|cpp|cxx|hh|hpp|hxx|mod|sum|work)):(\d+)`)

// relative rewrites the file names in the go command's messages. They are relative to the directory where it ran, and become
// relative to the caller's.
func (s *surveyed) relative(text string) string {
	return position.ReplaceAllStringFunc(text, func(match string) string {
		m := position.FindStringSubmatch(match)
		name := m[2]
		if !filepath.IsAbs(name) {
			name = filepath.Join(s.target.dir, name)
		}
		if _, err := os.Stat(name); err != nil {
			return match
		}
		return m[1] + shorter(name, s.base) + ":" + m[3]
	})
}

// shorter returns name or, if that is shorter, its form relative to base.
func shorter(name, base string) string {
	if rel, err := filepath.Rel(base, name); err == nil && len(rel) < len(name) {
		return rel
	}
	return name
}
