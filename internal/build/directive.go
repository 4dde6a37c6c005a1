package build

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// freshDirective in a Go file of a plugin's package main does what Options.Fresh does. What a plugin must not share with others is
// thus written once, next to the code that needs it:
//
//	//sohost:fresh github.com/prometheus/client_golang/...
const freshDirective = "//sohost:fresh"

// freshPatterns returns the patterns of the directives in package main.
func freshPatterns(main *listed) ([]string, error) {
	var patterns []string
	for _, name := range slices.Concat(main.GoFiles, main.CgoFiles) {
		file := filepath.Join(main.Dir, name)
		src, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("look for directives: %w", err)
		}
		for _, c := range lineComments(src, "//sohost:") {
			words := strings.Fields(c.text)
			if words[0] != freshDirective || len(words) == 1 {
				return nil, &Refusal{Kind: ErrPackage, Reason: fmt.Sprintf("%s has %q, which is no directive", file, strings.TrimSpace(c.text)),
					Remedy: "the one that there is has the form " + freshDirective + " PATTERN..."}
			}
			patterns = append(patterns, words[1:]...)
		}
	}
	return patterns, nil
}

// checkPatterns refuses a directive with a pattern that matches no package: after a slip the package would still be shared.
func checkPatterns(patterns []string, main *listed, all, hosts []*listed) error {
	for _, p := range patterns {
		m := newMatcher([]string{p}, main.Dir)
		if !slices.ContainsFunc(all, func(l *listed) bool { return m.match(l) && !slices.Contains(hosts, l) }) {
			return &Refusal{Kind: ErrPackage, Reason: fmt.Sprintf("%s %s matches no package that %s imports, directly or not", freshDirective, p, main.ImportPath),
				Remedy: "correct the pattern, or remove it; packages of the standard library and of contracts are the server's in any case"}
		}
	}
	return nil
}
