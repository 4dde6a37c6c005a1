package build

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sohost/sohost/internal/slim"
)

// idLen is the number of characters of an action id in a path: 72 bits.
const idLen = 12

// renamed returns the path under which the package with import path p and that id is compiled. ELF symbol names must not
// contain an @, and letters, digits and underscores are safest with version scripts and other tools.
func renamed(p, id string) string { return p + "_g" + id }

// shortID returns an id that is safe in a path. It comes from the first part of a build id, which is the action id.
func shortID(buildID string) (string, error) {
	action, _, _ := strings.Cut(buildID, "/")
	if len(action) < idLen {
		return "", fmt.Errorf("build id %q is too short", buildID)
	}
	return strings.ReplaceAll(action[:idLen], "-", "_"), nil
}

// renamings holds paths that a build has given to packages: the import path, by the new path. An id can't be told from the end
// of a name such as example.com/models_generated_api, so messages are translated with these and never by the look of a name.
type renamings map[string]string

// undo puts the import paths back into a text about packages, such as the compiler's messages.
func (r renamings) undo(text string) string {
	var pairs []string
	// A longer path comes first: one path can be the beginning of another.
	for _, to := range slices.SortedFunc(maps.Keys(r), func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) }) {
		pairs = append(pairs, to, r[to], slim.Escape(to), slim.Escape(r[to]))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}
