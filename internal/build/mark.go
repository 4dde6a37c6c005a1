package build

import (
	"fmt"
	"strings"
)

// scheme is the version of everything that the wrapper does to a package. It is part of every mark, and so of the build
// cache's keys. Increment it with every change that makes an image differ.
const scheme = "6"

// role is how host and generations share a package.
type role string

const (
	roleShared  role = "shared"  // host and plugins share it: it keeps its path
	rolePrivate role = "private" // belongs to the plugin; generations share it while its content is the same
	roleFresh   role = "fresh"   // belongs to the plugin; every generation has its own
)

// mark is a compiler flag that tells the wrapper what to do with a package, and makes the go command's build cache keep the
// package apart from its ordinary build. The wrapper removes it before the compiler sees it.
//
// The go command passes a flag for one package, -gcflags=<import path>=<flag>, to the compiler of that package only, and
// hashes it into the action id of that package only. Changing what "compile -V=full" prints would affect all packages,
// including the standard library, and cost a minute of compiling on first use.
type mark struct {
	role role

	// value is the directory to record the files under, for roleShared. Otherwise it is empty, or a hash of what the package's
	// identity depends on besides its action id.
	value string
}

const markFlag = "-sohost="

func (m mark) String() string {
	return markFlag + scheme + ":" + string(m.role) + ":" + m.value
}

// parseMark parses a compiler flag. ok reports whether it is a mark. A mark of another version of this program is an error.
func parseMark(flag string) (m mark, ok bool, err error) {
	s, ok := strings.CutPrefix(flag, markFlag)
	if !ok {
		return mark{}, false, nil
	}
	version, s, _ := strings.Cut(s, ":")
	if version != scheme {
		return mark{}, false, fmt.Errorf("mark %q has scheme %q, not %q: the wrapper is another version", flag, version, scheme)
	}
	r, value, ok := strings.Cut(s, ":")
	if !ok {
		return mark{}, false, fmt.Errorf("mark %q is truncated", flag)
	}
	switch role(r) {
	case roleShared, rolePrivate, roleFresh:
		return mark{role: role(r), value: value}, true, nil
	}
	return mark{}, false, fmt.Errorf("mark %q has an unknown role", flag)
}
