package build

import (
	"fmt"
	"regexp"
	"strings"
)

// idLen is the number of characters of an action id in a path: 72 bits.
const idLen = 12

// renamed returns the path under which the package with import path p and that id is compiled. ELF symbol names must not
// contain an @, and letters, digits and underscores are safest with version scripts and other tools.
func renamed(p, id string) string { return p + "_g" + id }

var renamedID = regexp.MustCompile(`_g[0-9A-Za-z_]{12}\b`)

// unrename removes the ids from a text about packages, such as the compiler's messages.
func unrename(text string) string { return renamedID.ReplaceAllString(text, "") }

// shortID returns an id that is safe in a path. It comes from the first part of a build id, which is the action id.
func shortID(buildID string) (string, error) {
	action, _, _ := strings.Cut(buildID, "/")
	if len(action) < idLen {
		return "", fmt.Errorf("build id %q is too short", buildID)
	}
	return strings.ReplaceAll(action[:idLen], "-", "_"), nil
}

// symbolPrefix escapes an import path as the toolchain does in symbol names: dots in the last element, control characters,
// spaces, percent signs, quotes and everything beyond ASCII become %xx (cmd/internal/objabi.PathToPrefix).
func symbolPrefix(p string) string {
	slash := strings.LastIndexByte(p, '/')
	var b strings.Builder
	for i := range len(p) {
		c := p[i]
		if c <= ' ' || c == '.' && i > slash || c == '%' || c == '"' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02x", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
