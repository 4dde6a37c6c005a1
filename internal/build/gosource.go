package build

import (
	"bytes"
	"go/parser"
	"go/scanner"
	"go/token"
	"strings"
)

// lineComment is a comment that begins with // and has nothing but white space and other comments before it on its line, as
// the compiler wants its directives.
type lineComment struct {
	at   int    // offset in the source
	text string // without the end of the line
}

// lineComments returns the comments in a Go source file whose text begins with prefix. What only looks like a comment, inside a
// string or another comment, is none. It reads as far as it can in files with errors, which the compiler reports.
func lineComments(src []byte, prefix string) []lineComment {
	if !bytes.Contains(src, []byte(prefix)) { // most files have none
		return nil
	}
	files := token.NewFileSet()
	file := files.AddFile("", files.Base(), len(src))
	var s scanner.Scanner
	s.Init(file, src, func(token.Position, string) {}, scanner.ScanComments)
	var out []lineComment
	last := 0 // line on which the last token ended
	for {
		pos, tok, text := s.Scan()
		at := file.Offset(pos)
		switch {
		case tok == token.EOF:
			return out
		case tok == token.SEMICOLON && text == "\n": // the scanner's own
		case tok == token.COMMENT:
			if line := file.Line(pos); line > last && strings.HasPrefix(text, prefix) {
				raw, _, _ := bytes.Cut(src[at:], []byte("\n")) // text has no carriage returns
				out = append(out, lineComment{at, string(raw)})
			}
		default:
			// Of the tokens only raw strings have several lines.
			last = file.Line(pos) + strings.Count(text, "\n")
		}
	}
}

// packageName returns the name in the package clause of a Go source file, or main if there is none.
func packageName(src []byte) string {
	f, err := parser.ParseFile(token.NewFileSet(), "", src, parser.PackageClauseOnly)
	if err != nil {
		return "main" // the compiler reports it
	}
	return f.Name.Name
}
