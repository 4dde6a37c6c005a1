package build

import (
	"fmt"
	"regexp"
	"strings"
)

// idLen is the number of characters of an action id that a path carries: 72 bits.
const idLen = 12

// renamed is the path under which the package with import path p and that id is compiled. ELF symbol names must not hold
// an @, and the version scripts and tools around them are safest with letters, digits and underscores.
func renamed(p, id string) string { return p + "_g" + id }

var renamedID = regexp.MustCompile(`_g[0-9A-Za-z_]{12}\b`)

// unrename takes the ids out of a text about packages, such as the compiler's messages.
func unrename(text string) string { return renamedID.ReplaceAllString(text, "") }

// shortID makes an id that is safe in a path from a build id, whose first part is the action id.
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
