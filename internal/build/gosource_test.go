package build

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLinknames(t *testing.T) {
	var got []linkname
	for _, src := range []string{
		"package p\n//go:linkname a\n//go:linkname b c.d\nvar s = \"//go:linkname e f.g\"\n//go:linkname h i.j",
		"package p\n // go:linkname k l\n\t//go:linkname m n.o\n//go:linknames p q.r\n// //go:linkname s t.u\nvar v int //go:linkname w x.y\n",
		"package p\nvar (\n\t//go:linkname aa b.c\n\taa int\n)\nvar s = `\n//go:linkname bb c.d\n` //go:linkname cc d.e\n/*\n//go:linkname dd e.f\n*/\n",
		"package p\n/* first */ //go:linkname ee f.g\n/* second\n*/ //go:linkname ff g.h\n//go:linkname gg h.i\r\nvar r = '`'\n//go:linkname hh i.j\n",
		"package p\n//go:linkname\n//go:linkname ii\tj.k  \n//go:linkname one two three\n//go:linkname jj k.l\n",
		"\ufeffpackage p\n//go:linkname kk l.m\n",
	} {
		got = append(got, linknames([]byte(src))...)
	}
	want := []linkname{{"a", ""}, {"b", "c.d"}, {"h", "i.j"}, {"m", "n.o"}, {"aa", "b.c"}, {"ee", "f.g"}, {"ff", "g.h"}, {"gg", "h.i"}, {"hh", "i.j"},
		{"ii", "j.k"}, {"jj", "k.l"}, {"kk", "l.m"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(linkname{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEditDirectives(t *testing.T) {
	rename := func(l linkname) string {
		if l.Target == "" {
			return ""
		}
		return "new." + l.Target
	}
	for src, want := range map[string]string{
		"package p\n//go:linkname a b.c\nvar x int":                                   "package p\n//go:linkname a new.b.c\nvar x int",
		"package p\n//go:linkname a b.c":                                              "package p\n//go:linkname a new.b.c",
		"package p\r\n//go:linkname a b.c\r\n//go:linkname d\r\n":                     "package p\r\n//go:linkname a new.b.c\r\n//go:linkname d\r\n",
		"package p\nvar s = `\n//go:linkname a b.c\n`\n/*\n//go:linkname d e.f\n*/\n": "package p\nvar s = `\n//go:linkname a b.c\n`\n/*\n//go:linkname d e.f\n*/\n",
		"\ufeffpackage p\n\t//go:linkname a b.c\n":                                    "\ufeffpackage p\n\t//go:linkname a new.b.c\n",
	} {
		if diff := cmp.Diff(strings.ReplaceAll(want, "\r", ""), strings.ReplaceAll(string(editDirectives([]byte(src), rename)), "\r", "")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", src, diff)
		}
	}
}

func TestPackageName(t *testing.T) {
	for src, want := range map[string]string{
		"package p\n": "p", "package p; import \"fmt\"\n": "p", "/* licence */ package p\n": "p", "\ufeffpackage p\n": "p",
		"/*\npackage wrong\n*/\n\npackage p // package q\n": "p", "// package wrong\npackage\n\n\tp\n": "p", "//go:build linux\n\npackage /* what? */ p;": "p",
		"": "main", "// nothing\n": "main", "import \"fmt\"\n": "main",
	} {
		if got := packageName([]byte(src)); got != want {
			t.Errorf("%q: got %q, want %q", src, got, want)
		}
	}
}

// TestSourcesOfGo compares the package names and directives of every file of the runtime and its neighbours with what go/parser
// finds in them.
func TestSourcesOfGo(t *testing.T) {
	root := strings.TrimSpace(string(must(exec.Command("go", "env", "GOROOT").Output())))
	files, err := filepath.Glob(filepath.Join(root, "src/*/*.go"))
	if err != nil || len(files) < 500 {
		t.Fatalf("the sources of the standard library are not in %s: %d files, %v", root, len(files), err)
	}
	directives := 0
	for _, name := range files {
		src := must(os.ReadFile(name))
		if !bytes.Contains(src, []byte("go:linkname")) {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if got := packageName(src); got != f.Name.Name {
			t.Errorf("%s: package %s, want %s", name, got, f.Name.Name)
		}
		want := parsedDirectives(f)
		directives += len(want)
		if diff := cmp.Diff(want, linknames(src), cmp.AllowUnexported(linkname{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if directives < 500 {
		t.Errorf("the standard library has %d directives; it should have many more", directives)
	}
}

// parsedDirectives returns the directives that are comments of a parsed file.
func parsedDirectives(f *ast.File) []linkname {
	var out []linkname
	for _, g := range f.Comments {
		for _, c := range g.List {
			if l, ok := parseLinkname(c.Text); ok && strings.HasPrefix(c.Text, linknameDirective) {
				out = append(out, l)
			}
		}
	}
	return out
}

// FuzzDirectives rewrites the directives of Go files. The result must parse as before, have the new targets, and differ in nothing
// else.
func FuzzDirectives(f *testing.F) {
	f.Add("package p\n//go:linkname a b.c\nvar s = `\n//go:linkname d e.f\n`\n", "x.y")
	f.Add("\ufeff/* package q */ package p;\r\n\t//go:linkname a b.c\r\n", "x")
	f.Fuzz(func(t *testing.T, src, target string) {
		packageName([]byte(src))
		if _, err := parser.ParseFile(token.NewFileSet(), "", src, parser.ParseComments); err != nil || target == "" ||
			len(strings.Fields(target)) != 1 || strings.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return
		}
		edited := editDirectives([]byte(src), func(l linkname) string { return target })
		if _, err := parser.ParseFile(token.NewFileSet(), "", edited, parser.ParseComments); err != nil {
			t.Fatalf("%q became %q: %v", src, edited, err)
		}
		before, after := linknames([]byte(src)), linknames(edited)
		if len(before) != len(after) {
			t.Fatalf("%q became %q", src, edited)
		}
		for i := range after {
			if after[i] != (linkname{before[i].Local, target}) {
				t.Errorf("%q became %q: directive %v", src, edited, after[i])
			}
		}
		restore := 0
		back := editDirectives(edited, func(linkname) string { restore++; return before[restore-1].Target })
		if squeeze(string(back)) != squeeze(src) {
			t.Errorf("%q became %q and then %q", src, edited, back)
		}
	})
}

// squeeze removes all white space, which editing may change in a directive.
func squeeze(s string) string { return strings.Join(strings.Fields(s), "") }
