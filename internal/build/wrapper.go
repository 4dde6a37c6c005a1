package build

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The go command calls tools far more often than their arguments are to change: most calls of a small build ask for versions, and all
// of the standard library's packages are compiled as they are. Each start of Options.Wrapper, the whole of sohost, costs as much as
// that of a compiler. So what the go command calls is a script, which starts the wrapper only where it has something to do.

// wrapperScript is the script, with places for the wrapper's quoted name and the scheme. It runs the tool that its arguments name.
//
// The version that link reports is hashed by the go command into the action id of every link, so the scheme is added to it. Only packages
// main are linked, so ordinary builds lose nothing. The go command reads only the last field of a development version, which begins
// with buildID=. It also asks the C compiler for its version, by the name in CC.
const wrapperScript = `#!/bin/sh
# Runs a tool of the Go toolchain for sohost build.
case $#$2 in
2-V=full)
	case $1 in
	*/link) version=$("$@") && printf '%%s+sohost%[2]s\n' "$version"; exit ;;
	esac
	exec "$@" ;;
esac
case ${1##*/} in
asm | link | extld) exec %[1]s toolexec "$@" ;;
compile)
	case " $* " in
	*" -sohost="*) ;;
	*" -std "*) exec "$@" ;;
	esac
	exec %[1]s toolexec "$@" ;;
esac
exec "$@"
`

// writeWrapper writes the script beside the plan, for toolexec.
func writeWrapper(planFile, wrapper string) error {
	quoted := "'" + strings.ReplaceAll(wrapper, "'", `'\''`) + "'"
	if err := os.WriteFile(scriptOf(planFile), fmt.Appendf(nil, wrapperScript, quoted, scheme), 0o600); err != nil {
		return fmt.Errorf("write wrapper: %w", err)
	}
	return nil
}

func scriptOf(planFile string) string { return filepath.Join(filepath.Dir(planFile), "toolexec.sh") }

// toolexec returns the words before the name of a tool that the go command or the linker runs through the script, quoted for them. The
// shell is among the words, as temporary files can't be run everywhere.
//
// The linker also tries what the C linker can do, but with the first word only. It takes it that the shell's refusal is the C linker's,
// and goes without build ids and compressed debugging information, which images have no use for.
func toolexec(planFile string, tool ...string) (string, error) {
	words, err := joinQuoted(append([]string{"/bin/sh", scriptOf(planFile)}, tool...))
	if err != nil {
		return "", fmt.Errorf("pass the name of a temporary file to the go command: %w; nothing was built: set TMPDIR to another folder", err)
	}
	return words, nil
}
