package crash

import (
	"regexp"
	"sync"
)

// pattern returns a regular expression that is compiled when it is first asked for: nearly every process starts, and ends, without
// reading of a crash.
func pattern(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
