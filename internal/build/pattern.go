package build

import (
	"path/filepath"
	"regexp"
	"strings"
)

// matcher matches packages against several patterns.
type matcher []func(*listed) bool

// newMatcher returns a matcher for patterns like those of the go command: "..." matches any string, a final "/..." also
// matches nothing, and a pattern that begins with a dot matches directories relative to dir.
func newMatcher(patterns []string, dir string) matcher {
	var m matcher
	for _, p := range patterns {
		if p == "all" {
			m = append(m, func(*listed) bool { return true })
		} else if looksLikeFile(p) {
			// Joining is safe, because to Join "..." is just another name.
			match := wildcard(joinPattern(dir, p))
			m = append(m, func(l *listed) bool { return match(l.Dir) })
		} else {
			match := wildcard(p)
			m = append(m, func(l *listed) bool { return match(l.ImportPath) })
		}
	}
	return m
}

// match reports whether p matches any of the patterns.
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
