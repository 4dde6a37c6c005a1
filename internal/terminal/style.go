package terminal

// Style is what a text means. A text must be understood without it, too.
type Style string

const (
	Plain  Style = ""
	Strong Style = "\x1b[1m"  // a heading, or what to read first
	Faint  Style = "\x1b[2m"  // what is known already
	Good   Style = "\x1b[32m" // as it should be
	Notice Style = "\x1b[33m" // somebody should know
	Bad    Style = "\x1b[31m" // somebody should do something
)

const reset = "\x1b[0m"

// Paint returns the text in a style, or as it is where there is no color.
func (l Look) Paint(s Style, text string) string {
	if !l.Color || s == Plain || text == "" {
		return text
	}
	return string(s) + text + reset
}
