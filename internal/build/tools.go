package build

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// noGo translates the error of starting the go command into a Refusal if there is no such program.
func noGo(err error, h host) error {
	if !errors.Is(err, exec.ErrNotFound) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return &Refusal{Kind: ErrNoTool, Reason: fmt.Sprintf("there is no go command: %v", err),
		Remedy: fmt.Sprintf("install %s from https://go.dev/dl and put its bin directory into PATH", h.toolchain)}
}

// checkCompiler refuses to build without a C compiler, which links every plugin. The go command would notice only after it has
// compiled everything.
func checkCompiler(env []string, cc string, h host) error {
	cc = lastSet(env, "CC", cc)
	words, err := splitQuoted(cc)
	if err != nil || len(words) == 0 {
		return &Refusal{Kind: ErrNoTool, Reason: fmt.Sprintf("CC=%q names no program", cc), Remedy: "unset CC, or name a C compiler with it"}
	}
	if findProgram(env, words[0]) != "" {
		return nil
	}
	remedy := "install one, on Debian or Ubuntu with `apt install gcc`"
	if prefix := crossPrefix[h.goarch]; prefix != "" && strings.HasPrefix(words[0], prefix) {
		remedy = fmt.Sprintf("install it, on Debian or Ubuntu with `apt install gcc-%s`", strings.ReplaceAll(strings.TrimSuffix(prefix, "-"), "_", "-"))
	}
	return &Refusal{Kind: ErrNoTool, Reason: fmt.Sprintf("there is no C compiler %s, which is needed to link plugins", words[0]),
		Remedy: remedy + ", or name another with CC"}
}

// findProgram returns the file that runs under a name in an environment, which may not be this process's own, or "".
func findProgram(env []string, name string) string {
	if strings.Contains(name, "/") {
		if isExecutable(name) {
			return name
		}
		return ""
	}
	for _, dir := range filepath.SplitList(lastSet(env, "PATH", "")) {
		if file := filepath.Join(dir, name); dir != "" && isExecutable(file) {
			return file
		}
	}
	return ""
}

func isExecutable(name string) bool {
	fi, err := os.Stat(name)
	return err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0
}

// lastSet returns the value of a variable in an environment, or the default if it isn't set or is empty.
func lastSet(env []string, key, byDefault string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(env[i], key+"="); ok && v != "" {
			return v
		}
	}
	return byDefault
}
