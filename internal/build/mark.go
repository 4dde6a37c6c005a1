package build

import (
	"fmt"
	"strings"
)

// scheme is the version of everything that the wrapper does to a package. It is part of every mark, and so of the build
// cache's keys: count it up with any change that makes an image differ.
const scheme = "2"

// role says how a package relates to host and generations.
type role string

const (
	roleShared  role = "shared"  // one for host and plugins: keeps its path
	rolePrivate role = "private" // the plugin's; generations share it while its content is the same
	roleFresh   role = "fresh"   // the plugin's, and new in each generation
)

// mark is the compiler flag by which the go command's build cache tells a package of an isolated image from an ordinary
// one, and the wrapper what to do. The wrapper strips it before the compiler sees it.
//
// The go command hands a flag of one package, -gcflags=<import path>=<flag>, to the compiler of that package only, and
// hashes it into the action id of that package only. Changing what "compile -V=full" prints would do the same to all
// packages, the whole standard library included, and cost a minute of compiling on first use.
type mark struct {
	role role

	// value is the directory to record the files under, for roleShared. Otherwise it is a hash of what the package's
	// identity depends on beside its action id, or empty.
	value string
}

const markFlag = "-sohost="

func (m mark) String() string {
	return markFlag + scheme + ":" + string(m.role) + ":" + m.value
}

// parseMark reads a compiler flag. It returns ok = false for a flag that is no mark, and an error for a mark of another
// version of this program.
func parseMark(flag string) (m mark, ok bool, err error) {
	s, ok := strings.CutPrefix(flag, markFlag)
	if !ok {
		return mark{}, false, nil
	}
	version, s, _ := strings.Cut(s, ":")
	if version != scheme {
		return mark{}, false, fmt.Errorf("mark %q is of scheme %q, not %q: the wrapper is of another version", flag, version, scheme)
	}
	r, value, ok := strings.Cut(s, ":")
	if !ok {
		return mark{}, false, fmt.Errorf("mark %q is cut short", flag)
	}
	switch role(r) {
	case roleShared, rolePrivate, roleFresh:
		return mark{role: role(r), value: value}, true, nil
	}
	return mark{}, false, fmt.Errorf("mark %q has an unknown role", flag)
}
