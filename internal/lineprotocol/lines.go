package lineprotocol

import (
	"bytes"
	"io"
)

// lines gives the library a text line by line, so that it has read no further than the entry that it was asked for. Only an entry with a text
// that has newlines takes several lines.
type lines struct {
	rest   []byte // what nobody has read yet
	begun  bool   // the rest begins within a line
	passed int    // lines that were read, by whomever
	given  int    // those of them that this decoder has read
}

// Read implements io.Reader. It never reads beyond the end of a line.
func (l *lines) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		return 0, io.EOF
	}
	p = p[:min(len(p), len(l.rest))]
	end := bytes.IndexByte(l.rest[:len(p)], '\n') + 1
	if l.begun = end == 0; !l.begun {
		p = p[:end]
		l.passed++
		l.given++
	}
	copy(p, l.rest)
	l.rest = l.rest[len(p):]
	return len(p), nil
}

// pass passes over a line of a size that was read otherwise.
func (l *lines) pass(size int) {
	l.rest = l.rest[size:]
	l.passed++
}

// skip passes over the rest of a line that was begun.
func (l *lines) skip() {
	end := bytes.IndexByte(l.rest, '\n')
	if end < 0 {
		end = len(l.rest) - 1
	}
	l.rest, l.begun = l.rest[end+1:], false
	l.passed++
}
