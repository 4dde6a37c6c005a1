package build

import (
	"fmt"
	"strings"
)

// The go command and the linker split lists of flags at white space. An item may be in single or double quotes, without
// escaping inside (cmd/internal/quoted).

// splitQuoted splits a list of flags.
func splitQuoted(s string) ([]string, error) {
	var out []string
	for {
		s = strings.TrimLeft(s, " \t\r\n")
		if s == "" {
			return out, nil
		}
		var item string
		if q := s[0]; q == '\'' || q == '"' {
			end := strings.IndexByte(s[1:], q)
			if end < 0 {
				return nil, fmt.Errorf("unterminated %c in %q", q, s)
			}
			item, s = s[1:1+end], s[end+2:]
		} else if end := strings.IndexAny(s, " \t\r\n"); end >= 0 {
			item, s = s[:end], s[end:]
		} else {
			item, s = s, ""
		}
		out = append(out, item)
	}
}

// joinQuoted is the inverse of splitQuoted. It returns an error for an item with both kinds of quotes.
func joinQuoted(items []string) (string, error) {
	quoted := make([]string, len(items))
	for i, s := range items {
		switch {
		case s != "" && !strings.ContainsAny(s, " \t\r\n'\""):
			quoted[i] = s
		case !strings.Contains(s, "'"):
			quoted[i] = "'" + s + "'"
		case !strings.Contains(s, `"`):
			quoted[i] = `"` + s + `"`
		default:
			return "", fmt.Errorf("%q has both kinds of quotes", s)
		}
	}
	return strings.Join(quoted, " "), nil
}
