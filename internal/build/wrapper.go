package build

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// wrapper stands between the go command and the tools of the Go toolchain, and between Go's linker and the C linker. It changes the
// arguments of some of them. What the go command runs is a script, which asks the wrapper what to run, see calls.go, and only where there
// is something to change.
type wrapper struct {
	plan *plan
	env  []string // of the go command
	dir  string   // of the script
	ask  *calls

	mu        sync.Mutex // guards what follows
	renamings renamings
	linking   time.Time // when the linker was asked for
	slim      *slimLink // under way
	note      *slimNote // what is known of the linked image; nil before
}

// extldCommand is the tool that the wrapper knows as the C linker of a slim image. Its arguments are a directory, the plugin's
// path, the real C linker, and the arguments that the Go linker has for that.
const extldCommand = "extld"

// linkedCommand is what the script asks for when the linker of a slim image has ended. Its argument is the exit code.
const linkedCommand = "linked"

// newWrapper makes a wrapper for a plan. Its files are below dir. The caller must close it.
func (s *surveyed) newWrapper(opts Options, p *plan, dir string) (*wrapper, error) {
	dir, err := os.MkdirTemp(dir, "wrapper")
	if err != nil {
		return nil, fmt.Errorf("write wrapper: %w", err)
	}
	w := &wrapper{plan: p, env: s.command.env, dir: dir, renamings: renamings{}}
	if err := os.WriteFile(w.script(), fmt.Appendf(nil, wrapperScript, quoteShell(dir), scheme), 0o600); err != nil {
		return nil, fmt.Errorf("write wrapper: %w", err)
	}
	w.ask, err = listen(dir, func(c call) (string, error) {
		if opts.asked != nil {
			if err := opts.asked(filepath.Base(c.args[0])); err != nil {
				return "", err
			}
		}
		return w.answer(c)
	})
	return w, err
}

// close ends the wrapper, when the go command has ended.
func (w *wrapper) close() {
	w.ask.close()
	if w.slim != nil {
		w.slim.close()
	}
}

func (w *wrapper) script() string { return filepath.Join(w.dir, "toolexec.sh") }

// toolexec returns the words before the name of a tool that the go command or the linker runs through the script, quoted for them. The
// shell is among the words, as temporary files can't be run everywhere.
//
// The linker also tries what the C linker can do, but with the first word only. It takes it that the shell's refusal is the C linker's,
// and goes without build ids and compressed debugging information, which images have no use for.
func (w *wrapper) toolexec(tool ...string) (string, error) {
	words, err := joinQuoted(append([]string{"/bin/sh", w.script()}, tool...))
	if err != nil {
		return "", fmt.Errorf("pass the name of a temporary file to the go command: %w; nothing was built: set TMPDIR to another folder", err)
	}
	return words, nil
}

// answer returns what the script is to do instead of what it was asked to run.
//
// Everything that changes a tool's results is part of the build cache's keys: in the marks for compile and asm, and in the version that
// link reports.
func (w *wrapper) answer(c call) (script string, err error) {
	tool, args := c.args[0], c.args[1:]
	name := filepath.Base(tool)
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s %s: %w", name, c.importPath, err)
		}
	}()
	switch name {
	case "compile":
		args, err = w.compileArgs(c.dir, args)
	case "asm":
		args, err = w.asmArgs(c.dir, args)
	case "link":
		return w.link(c, tool, args)
	case linkedCommand:
		return w.linked(c)
	case extldCommand:
		tool, args, err = extldArgs(args)
	}
	return execLine(tool, args), err
}

// noteRenamings keeps new paths of packages, by import path.
func (w *wrapper) noteRenamings(paths map[string]string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for from, to := range paths {
		w.renamings[to] = from
	}
}

// execLine returns the line of a script that runs a tool in place of the shell, so that signals and the exit code need no forwarding. The
// go command uses full names for its own tools, but the C linker has the name in CC, which the shell looks up.
func execLine(tool string, args []string) string { return "exec " + commandLine(tool, args) + "\n" }

func commandLine(tool string, args []string) string {
	var b strings.Builder
	b.WriteString(quoteShell(tool))
	for _, a := range args {
		b.WriteByte(' ')
		b.WriteString(quoteShell(a))
	}
	return b.String()
}

// quoteShell quotes a word for the shell.
func quoteShell(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

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

// inDir returns the name of a file that is relative to dir, unless it isn't relative.
func inDir(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}
