package terminal

import (
	"bytes"
	"io"
	"strings"
)

// Page is a text that is put together before it is shown.
type Page struct {
	bytes.Buffer
	look Look
}

// NewPage returns an empty page that looks like w.
func NewPage(w io.Writer) *Page { return &Page{look: LookOf(w)} }

// Look returns the look of what the page is for.
func (p *Page) Look() Look { return p.look }

// Print writes the page, with its lines folded to the width.
func (p *Page) Print(w io.Writer) error {
	_, err := io.WriteString(w, Fold(p.String(), p.look.Width))
	return err
}

// Lines returns the lines of the page, folded to the width, without tabs. Words that don't fit are cut.
func (p *Page) Lines() (lines []string) {
	for line := range strings.Lines(Fold(strings.ReplaceAll(p.String(), "\t", "    "), p.look.Width)) {
		lines = append(lines, Cut(strings.TrimRight(line, "\n"), p.look.Width))
	}
	return lines
}
