package slim

import (
	"fmt"
	"slices"
	"strings"
)

// noPackage is why a package comes along of which the host has nothing.
const noPackage = "the host doesn't have it"

// stays returns the error for a package that can't come along.
func (w *walk) stays(path, why, what string) error {
	remedy := "have the host use it, too"
	if why == noPackage {
		remedy = "have the host import it"
	} else {
		why += w.referrer()
	}
	return &Unslim{fmt.Sprintf("%s would have to come along (%s), but %s can't: %s", path, why, what, remedy)}
}

// isRuntime reports whether a package can't be in a process twice, not even in part.
func isRuntime(path string) bool {
	return path == "runtime" || strings.HasPrefix(path, "runtime/") || strings.HasPrefix(path, "internal/runtime/")
}

// referrer says what package refers to something, if it isn't the linker.
func (w *walk) referrer() string {
	for path, archive := range w.library.read {
		if slices.Contains(archive.Objects, w.from) {
			return ", which " + w.library.packages[path].Path + " uses"
		}
	}
	return ""
}
