package abi

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/api.txt anew")

const cost = `The contract has changed. Every server that has the change refuses every plugin built before it until that plugin is
rebuilt, even if only a comment has moved. If the exported API has changed, authors must change their plugins, and Version
must be raised. If the change is intended, run "go test ./abi -update" and say so in CHANGELOG.md.
`

// TestFrozen pins the exported API, and also the exact bytes, because the package's hash depends on their positions.
func TestFrozen(t *testing.T) {
	got := contract(t)
	const file = "testdata/api.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s\ngot:\n%s\nwant:\n%s", cost, got, want)
	}
}

// TestTypesOnly keeps code out of the contract. Code would be compiled into the server and into every plugin, and which copy
// runs would depend on which was loaded first.
func TestTypesOnly(t *testing.T) {
	for name, file := range parsed(t) {
		for _, imp := range file.Imports {
			if path := strings.Trim(imp.Path.Value, `"`); strings.Contains(path, ".") {
				t.Errorf("%s imports %s, which is not in the standard library", name, path)
			}
		}
		for _, decl := range file.Decls {
			if d, ok := decl.(*ast.GenDecl); !ok || d.Tok == token.VAR {
				t.Errorf("%s declares more than types and constants", name)
			}
		}
	}
}

// contract returns the exported declarations without their comments, and a hash of each file.
func contract(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	files := parsed(t)
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(source)
		b.WriteString("// " + name + " " + hex.EncodeToString(sum[:]) + "\n\n")
		file := files[name]
		ast.FileExports(file)
		for _, decl := range file.Decls {
			if d, ok := decl.(*ast.GenDecl); ok && d.Tok == token.IMPORT {
				continue
			}
			if err := format.Node(&b, token.NewFileSet(), decl); err != nil {
				t.Fatal(err)
			}
			b.WriteString("\n\n")
		}
	}
	return b.String()
}

func parsed(t *testing.T) map[string]*ast.File {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]*ast.File{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = file
	}
	return files
}
