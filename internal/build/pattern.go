package build

import (
	"path/filepath"
	"regexp"
	"strings"
)

// matcher tells whether a package matches one of several patterns.
type matcher []func(*listed) bool

// newMatcher understands the patterns as the go command does: "..." stands for any string, a final "/..." for nothing
// as well, and a pattern that begins with a dot means directories below dir.
func newMatcher(patterns []string, dir string) matcher {
	var m matcher
	for _, p := range patterns {
		if p == "all" {
			m = append(m, func(*listed) bool { return true })
		} else if looksLikeFile(p) {
			// A pattern is joined as it is: Join would take no notice of dots inside "...".
			match := wildcard(joinPattern(dir, p))
			m = append(m, func(l *listed) bool { return match(l.Dir) })
		} else {
			match := wildcard(p)
			m = append(m, func(l *listed) bool { return match(l.ImportPath) })
		}
	}
	return m
}

func (m matcher) match(p *listed) bool {
	for _, f := range m {
		if f(p) {
			return true
		}
	}
	return false
}

func joinPattern(dir, p string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(dir, p)
}

func wildcard(pattern string) func(string) bool {
	expr := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\.\.\.`, `.*`)
	if rest, ok := strings.CutSuffix(expr, `/.*`); ok {
		expr = rest + `(/.*)?`
	}
	return regexp.MustCompile(`^(?:` + expr + `)$`).MatchString
}
