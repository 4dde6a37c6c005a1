package build

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
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

// renamingsFile is where the wrappers of one build note its renamings. It lies next to the plan.
const renamingsFile = "renamings"

// note appends the renamings to a build's file. paths holds new paths by import path.
func note(planFile string, paths map[string]string) error {
	var b bytes.Buffer
	for from, to := range paths {
		fmt.Fprintf(&b, "%s\t%s\n", to, from)
	}
	f, err := os.OpenFile(filepath.Join(filepath.Dir(planFile), renamingsFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("note the new paths: %w", err)
	}
	_, err = f.Write(b.Bytes()) // in one piece, because wrappers run at once
	if err = cmp.Or(err, f.Close()); err != nil {
		return fmt.Errorf("note the new paths: %w", err)
	}
	return nil
}

// readRenamings reads what the wrappers of a build have noted so far.
func readRenamings(planFile string) (renamings, error) {
	b, err := os.ReadFile(filepath.Join(filepath.Dir(planFile), renamingsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return renamings{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the new paths: %w", err)
	}
	r := renamings{}
	for line := range strings.Lines(string(b)) {
		if to, from, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok {
			r[to] = from
		}
	}
	return r, nil
}

// undo puts the import paths back into a text about packages, such as the compiler's messages.
func (r renamings) undo(text string) string {
	var pairs []string
	// A longer path comes first: one path can be the beginning of another.
	for _, to := range slices.SortedFunc(maps.Keys(r), func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) }) {
		pairs = append(pairs, to, r[to], slim.Escape(to), slim.Escape(r[to]))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}
