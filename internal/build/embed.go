package build

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// embedTrees returns the directories directly in a package's own from which its files are embedded, or would be if they came to hold any
// that its patterns match. A new directory that a pattern matches is a new name in the package's own.
func embedTrees(p *listed) []string {
	tops := make(map[string]bool)
	for _, name := range p.EmbedFiles {
		if top, _, below := strings.Cut(name, "/"); below {
			tops[top] = true
		}
	}
	for _, pattern := range p.EmbedPatterns {
		if top, _, below := strings.Cut(strings.TrimPrefix(pattern, "all:"), "/"); below {
			names, _ := filepath.Glob(filepath.Join(literal(p.Dir), top)) // the go command reports a pattern that isn't one
			for _, name := range names {
				tops[filepath.Base(name)] = true
			}
		}
	}
	var trees []string
	for top := range tops {
		dir := filepath.Join(p.Dir, top)
		if st, err := os.Lstat(dir); err == nil && st.IsDir() { // nothing is embedded through a link
			trees = append(trees, dir)
		}
	}
	return trees
}

// literal returns a pattern that matches a name only.
func literal(name string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(name)
}

// addBelow adds a directory and all below it.
func addBelow(tree string, dirs map[string]bool) error {
	err := filepath.WalkDir(tree, func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
			return nil // the build reports it, if it matters
		case err != nil:
			return err
		case d.IsDir():
			dirs[name] = true
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for embedded files: %w", err)
	}
	return nil
}
