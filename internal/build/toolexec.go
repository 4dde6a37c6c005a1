package build

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// ToolexecCommand is the first argument in calls of Options.Wrapper. The arguments after it are for Toolexec.
const ToolexecCommand = "toolexec"

// Toolexec runs one tool of the Go toolchain for the go command. args holds the tool and its arguments. The tool replaces this
// process, so Toolexec returns only with an error, or after it has linked a slim image.
//
// Toolexec changes the arguments of compile, asm and link. Everything that changes their results is part of the build
// cache's keys: in the marks for compile and asm, and in the version that link reports, see wrapper.go.
func Toolexec(args []string) error {
	if len(args) == 0 {
		return errors.New("toolexec: no tool given")
	}
	tool, args := args[0], args[1:]
	name := filepath.Base(tool)
	var err error
	switch name {
	case "compile":
		args, err = compileArgs(args)
	case "asm":
		args, err = asmArgs(args)
	case "link":
		if args, err = linkArgs(args); err == nil {
			var done bool
			if args, done, err = linkSlim(tool, args); done && err == nil {
				return nil
			}
		}
	case extldCommand:
		tool, args, err = extldArgs(args)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", name, os.Getenv("TOOLEXEC_IMPORTPATH"), err)
	}
	return execTool(tool, args)
}

// execTool replaces this process with the tool, so that signals and the exit code need no forwarding. The go command uses
// full names for its own tools, but the C linker has the name in CC.
func execTool(tool string, args []string) error {
	file, err := exec.LookPath(tool)
	if err != nil {
		return fmt.Errorf("run %s: %w", tool, err)
	}
	err = syscall.Exec(file, append([]string{tool}, args...), os.Environ())
	return fmt.Errorf("run %s: %w", tool, err)
}

// argument returns the index of the value of a flag given as two arguments, or -1.
func argument(args []string, flag string) int {
	for i, a := range args[:max(len(args)-1, 0)] {
		if a == flag {
			return i + 1
		}
	}
	return -1
}

// flagValue finds a flag in any form that package flag accepts. value is the value of the last occurrence, and without
// holds the arguments without any occurrence.
func flagValue(args []string, flag string) (value string, without []string, found bool) {
	for i := 0; i < len(args); i++ {
		a := args[i]
		if strings.HasPrefix(a, "--") {
			a = a[1:]
		}
		if a == flag && i+1 < len(args) {
			value, found = args[i+1], true
			i++
		} else if v, ok := strings.CutPrefix(a, flag+"="); ok {
			value, found = v, true
		} else {
			without = append(without, args[i])
		}
	}
	return value, without, found
}
