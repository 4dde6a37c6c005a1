package sohost_test

import (
	"bytes"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// documents returns the text of each document by its path.
func documents(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d documents, %v", pattern, len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			texts[file] = string(text)
		}
	}
	return texts
}

// TestDocumentWidth finds lines of running text that an editor would have to break. Tables, code and links can't be.
func TestDocumentWidth(t *testing.T) {
	for file, text := range documents(t) {
		code := false
		for n, line := range strings.Split(text, "\n") {
			if strings.HasPrefix(line, "```") {
				code = !code
			}
			if width := utf8.RuneCountInString(line); width > 132 && !code && !strings.HasPrefix(line, "|") {
				t.Errorf("%s:%d: %d columns; wrap it at 130", file, n+1, width)
			}
		}
	}
}

var docLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestDocumentLinks follows every link between documents and to source files, including the heading if a link names
// one.
func TestDocumentLinks(t *testing.T) {
	texts := documents(t)
	followed := 0
	for file, text := range texts {
		for _, m := range docLink.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			followed++
			path, heading, _ := strings.Cut(m[1], "#")
			target := file
			if path != "" {
				target = filepath.Join(filepath.Dir(file), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", file, m[1], err)
			} else if heading != "" && !headings(texts[target])[heading] {
				t.Errorf("%s links to %s, which has no such heading", file, m[1])
			}
		}
	}
	if followed == 0 {
		t.Error("no link was found")
	}
}

var notInAnchor = regexp.MustCompile(`[^a-z0-9 _-]`)

// headings returns the anchors of a document's headings.
func headings(text string) map[string]bool {
	anchors := map[string]bool{}
	for line := range strings.Lines(text) {
		if marks, heading, ok := strings.Cut(line, " "); ok && strings.Trim(marks, "#") == "" {
			anchor := notInAnchor.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
			anchors[strings.ReplaceAll(anchor, " ", "-")] = true
		}
	}
	return anchors
}

// TestHelloInReadme compares the plugin in the README with the source file that it claims to show.
func TestHelloInReadme(t *testing.T) {
	const from = "```go\npackage main\n"
	_, shown, ok := strings.Cut(documents(t)["README.md"], from)
	if !ok {
		t.Fatal("the README shows no package main")
	}
	shown, _, _ = strings.Cut(shown, "```")
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "plugins/hello/hello.go", nil, parser.SkipObjectResolution) // without its comments
	if err != nil {
		t.Fatal(err)
	}
	var source bytes.Buffer
	if err := format.Node(&source, fset, file); err != nil {
		t.Fatal(err)
	}
	if want := withoutBlankLines(source.String()); withoutBlankLines("package main\n"+shown) != want {
		t.Errorf("the README shows this as hello.go:\n%s\nwant:\n%s", shown, want)
	}
}

// withoutBlankLines drops blank lines, because a comment that was left out may leave one behind.
func withoutBlankLines(source string) string {
	return regexp.MustCompile(`\n\s*\n`).ReplaceAllString(strings.TrimSpace(source), "\n")
}

// TestGlossary checks that the glossary has one line per term and defines each term once, and that every document links
// to it.
func TestGlossary(t *testing.T) {
	texts := documents(t)
	defined := map[string]bool{}
	for line := range strings.Lines(texts["docs/glossary.md"]) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "  ") {
			t.Errorf("a definition has a second line: %q", line)
		}
		head, _, ok := strings.Cut(line, ": ")
		if !ok || !strings.HasPrefix(line, "- ") {
			continue
		}
		for _, m := range regexp.MustCompile(`\*\*([^*]+)\*\*`).FindAllStringSubmatch(head, -1) {
			if defined[m[1]] {
				t.Errorf("%s is defined twice", m[1])
			}
			defined[m[1]] = true
		}
	}
	if len(defined) == 0 {
		t.Error("no term was found")
	}
	for _, file := range []string{
		"README.md", "CONTRIBUTING.md", "SECURITY.md", "RATIONALE.md", "docs/facts.md", "docs/processes.md", "docs/state.md", "docs/systemd.md",
	} {
		if !strings.Contains(texts[file], "glossary.md)") {
			t.Errorf("%s doesn't link to the glossary", file)
		}
	}
}

// TestEmbeddingDocument finds the code of docs/embedding.md in the program and the plugin that the document is about, which the tests
// of package integration build and run.
func TestEmbeddingDocument(t *testing.T) {
	var code string
	for _, file := range []string{"pricing/contract/contract.go", "pricing/main.go", "flat/flat.go"} {
		text, err := os.ReadFile(filepath.Join("integration/testdata/contract", file))
		if err != nil {
			t.Fatal(err)
		}
		code += string(text)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(documents(t)["docs/embedding.md"], -1)
	if len(blocks) < 5 {
		t.Errorf("the document has %d pieces of code", len(blocks))
	}
	for _, b := range blocks {
		if !strings.Contains(code, b[1]) {
			t.Errorf("it isn't in the example:\n%s", b[1])
		}
	}
}
