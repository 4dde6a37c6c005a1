package build

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// bareSymbols finds the symbols without a package that the assembly of private packages defines. Without a middle dot before
// the name, and unless they are local to the file, they are global in the process like those of C. Symbols that it
// misses, such as those defined by macros, are found in the finished image, which must then be linked twice.
func (p *plan) bareSymbols(packages []*listed) error {
	for _, pkg := range packages {
		if pkg.usesCgo() { // the C compiler assembles the files of such a package
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
