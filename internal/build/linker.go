package build

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// linkers are those that a C compiler can be told to use, the fastest first. The last is GNU ld, which is mostly the compiler's own.
var linkers = []string{"mold", "lld", "bfd"}

// FastLinker returns the fastest of the linkers that are installed, for Options.Linker, or "" if there is none but the C compiler's own.
func FastLinker() string {
	for _, name := range linkers[:2] {
		if _, err := exec.LookPath("ld." + name); err == nil {
			return name
		}
	}
	return ""
}

// checkLinker refuses a linker that isn't known, or isn't installed: the image would be full instead of slim.
func checkLinker(name string) error {
	if name == "" {
		return nil
	}
	if !slices.Contains(linkers, name) {
		return &Refusal{Kind: ErrFlags, Reason: fmt.Sprintf("there is no linker %q", name),
			Remedy: "use one of " + strings.Join(linkers, ", ") + ", or leave it to the C compiler"}
	}
	if _, err := exec.LookPath("ld." + name); err != nil {
		return &Refusal{Kind: ErrFlags, Reason: fmt.Sprintf("the linker %s isn't installed: %v", name, err),
			Remedy: "install it, or leave it to the C compiler"}
	}
	return nil
}
