package build

import "regexp"

// bareSymbols finds the symbols without a package that assembly defines. Without a middle dot before
// the name, and unless they are local to the file, they are global in the process like those of C. Symbols that it
// misses, such as those defined by macros, are found in the finished image, which must then be linked twice.
func bareSymbols(src []byte) (symbols []string) {
	for _, m := range bareSymbol.FindAllSubmatch(src, -1) {
		symbols = append(symbols, string(m[1]))
	}
	return symbols
}

var bareSymbol = regexp.MustCompile(`(?m)^\s*(?:TEXT|GLOBL)\s+([A-Za-z_][0-9A-Za-z_]*)(?:<ABI\w+>)?\(SB\)`)
