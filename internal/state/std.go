package state

import (
	_ "embed"
	"reflect"
	"strings"
	"sync"

	"github.com/sohost/sohost/abi"
)

// stdList lists the packages of the standard library. A package missing here counts as a plugin's own, so with a newer
// toolchain the list is too strict, never too lax.
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
// may have such names, and plugins built from files are called plugin/unnamed-….
func isStd(path string) bool { return stdPackages()[path] }

var abiPath = reflect.TypeFor[abi.State]().PkgPath()

// always reports whether all generations of a process share a package, whatever they were built from.
func always(path string) bool { return path == "" || path == abiPath || isStd(path) }
