package build

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// bareSymbols finds the symbols without a package that the assembly of private packages defines: without a middle dot
// before the name, and not local to the file, they are names for the whole process, as those of C are. What it misses, by way
// of macros for instance, is seen in the finished image, which then has to be linked twice.
func (p *plan) bareSymbols(packages []*listed) error {
	for _, pkg := range packages {
		if pkg.usesCgo() { // assembly in such a package is the C compiler's
			continue
		}
		for _, name := range pkg.SFiles {
			src, err := os.ReadFile(filepath.Join(pkg.Dir, name))
			if err != nil {
				return fmt.Errorf("look for symbols: %w", err)
			}
			for _, m := range bareSymbol.FindAllSubmatch(src, -1) {
				p.Hide = append(p.Hide, string(m[1]))
			}
		}
	}
	return nil
}

var bareSymbol = regexp.MustCompile(`(?m)^\s*(?:TEXT|GLOBL)\s+([A-Za-z_][0-9A-Za-z_]*)(?:<ABI\w+>)?\(SB\)`)
