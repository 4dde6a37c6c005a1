package state

import (
	_ "embed"
	"reflect"
	"strings"
	"sync"

	"github.com/sohost/sohost/abi"
)

// A package that is missing here counts as a plugin's own, so a newer toolchain makes the list too strict, never too lax.
//
//go:embed std.txt
var stdList string

var stdPackages = sync.OnceValue(func() map[string]bool {
	set := map[string]bool{}
	for _, path := range strings.Fields(stdList) {
		set[path] = true
	}
	return set
})

// isStd reports whether path is a package of the standard library. A first element without a dot proves nothing: modules
// may be called like that, and plugins built from files are called plugin/unnamed-….
func isStd(path string) bool { return stdPackages()[path] }

var abiPath = reflect.TypeFor[abi.State]().PkgPath()

// always reports whether a package is shared by all generations of a process, whatever they were built from.
func always(path string) bool { return path == "" || path == abiPath || isStd(path) }
