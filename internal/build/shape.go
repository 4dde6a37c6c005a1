package build

import (
	"bytes"
	"crypto/sha256"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
)

// shapeOf returns a digest of what the go command looks at in a file of a package, before it compiles anything. In a Go file that is all up
// to the last import, with its build constraints and C code, and what it embeds. Of other sources all counts, and of other files nothing.
func shapeOf(name string, st fs.FileInfo) ([]byte, error) {
	ext := filepath.Ext(name)
	if !st.Mode().IsRegular() || ext != ".go" && ext != ".syso" && ext != ".m" && !cExtensions[ext] {
		return nil, nil
	}
	src, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	rest := []byte{}
	if ext == ".go" {
		src, rest = head(src)
	}
	sum.Write(src)
	for line := range bytes.Lines(rest) {
		if line := bytes.TrimSpace(line); bytes.HasPrefix(line, []byte("//go:embed")) {
			sum.Write(line)
			sum.Write([]byte("\n"))
		}
	}
	return sum.Sum(nil), nil
}

// head cuts a Go file after its package clause and imports. A file that has none, or that can't be parsed, is all head.
func head(src []byte) (before, after []byte) {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, "", src, parser.ImportsOnly)
	if err != nil {
		return src, nil
	}
	end := f.Name.End()
	for _, d := range f.Decls {
		end = max(end, d.End())
	}
	at := files.File(end).Offset(end)
	return src[:at], src[at:]
}
