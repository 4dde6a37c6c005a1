package terminal

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Columns returns how many columns a line takes on a terminal. The sequences of styles take none.
func Columns(line string) (n int) {
	for len(line) > 0 {
		skip, columns := next(line)
		n += columns
		line = line[skip:]
	}
	return n
}

// next returns the length of the first character or sequence in bytes and in columns.
func next(s string) (bytes, columns int) {
	if strings.HasPrefix(s, "\x1b[") {
		if end := strings.IndexByte(s, 'm'); end > 0 {
			return end + 1, 0
		}
	}
	r, n := utf8.DecodeRuneInString(s)
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return n, 0
	case unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana), isWide(r):
		return n, 2
	}
	return n, 1
}

// isWide reports whether a character is a full-width form, a mark of Chinese or Japanese, or a picture.
func isWide(r rune) bool {
	return 0x3000 <= r && r <= 0x303e || 0xff01 <= r && r <= 0xff60 || 0xffe0 <= r && r <= 0xffe6 || 0x1f300 <= r && r <= 0x1faff
}

// Cut returns the line, or as much of it as takes n columns with a … at the end.
func Cut(line string, n int) string {
	if n <= 0 || Columns(line) <= n {
		return line
	}
	var b strings.Builder
	painted := false
	for used := 0; ; {
		skip, columns := next(line)
		if used+columns > n-1 {
			break
		}
		painted = painted || columns == 0
		b.WriteString(line[:skip])
		used, line = used+columns, line[skip:]
	}
	b.WriteString("…")
	if painted {
		b.WriteString(reset)
	}
	return b.String()
}

// Fold breaks the lines of a text between words where they take more than n columns. What follows is indented as the line is, or as far
// as what comes after the line's label. A word that is longer than a line stays whole, so that it can be copied.
func Fold(text string, n int) string {
	if n <= 0 {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		line, ended := strings.CutSuffix(line, "\n")
		fold(&b, line, n)
		if ended {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func fold(b *strings.Builder, line string, n int) {
	if Columns(line) <= n {
		b.WriteString(line)
		return
	}
	indent := min(hanging(line), n/2)
	words := strings.Split(strings.TrimLeft(line, " "), " ")
	used := len(line) - len(strings.TrimLeft(line, " "))
	b.WriteString(line[:used])
	for i, word := range words {
		columns := Columns(word)
		switch {
		case i == 0:
		case used+1+columns > n && used > indent:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			used = indent
			if word == "" {
				continue
			}
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += columns
	}
}

// hanging returns where the lines begin that continue a line.
func hanging(line string) int {
	text := strings.TrimLeft(line, " ")
	indent := len(line) - len(text)
	if label, rest, ok := strings.Cut(text, "  "); indent == 0 && ok && !strings.Contains(label, " ") {
		return Columns(label) + 2 + len(rest) - len(strings.TrimLeft(rest, " "))
	}
	return indent
}
