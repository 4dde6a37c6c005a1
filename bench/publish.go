package main

import (
	"fmt"
	"os"
	"strings"
)

// publishAll puts the tables into the documents, each between two comments, and the picture beside them.
func publishAll(env *environment, all results, requests served, curves []curve) error {
	if err := publish("../README.md", all.table()+"\n"+wrap(requests.String())+"\n"+wrap(env.String())); err != nil {
		return err
	}
	if err := os.WriteFile("../docs/generations.svg", []byte(draw(curves)), 0o644); err != nil {
		return err
	}
	return publish("../docs/performance.md", curveTable(curves))
}

// begin and end enclose what publish replaces.
const begin, end = "<!-- make bench writes this -->\n", "<!-- up to here -->\n"

// publish replaces what is between the comments in a document.
func publish(file, by string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, rest, found := strings.Cut(string(text), begin)
	_, tail, ended := strings.Cut(rest, end)
	if !found || !ended {
		return fmt.Errorf("%s has no place for results, between %q and %q", file, begin, end)
	}
	return os.WriteFile(file, []byte(head+begin+by+end+tail), 0o644)
}

// wrap breaks a paragraph into lines.
func wrap(text string) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		if i > 0 {
			if column+1+len(word) > 125 {
				b.WriteByte('\n')
				column = -1
			} else {
				b.WriteByte(' ')
			}
		}
		b.WriteString(word)
		column += 1 + len(word)
	}
	return b.String() + "\n"
}
