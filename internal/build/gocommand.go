package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// goCommand is the go command in one directory and environment.
type goCommand struct {
	path string
	dir  string
	env  []string
	log  io.Writer

	packages  map[string]bool   // import paths that it names as it goes, with -v
	compiling func(path string) // what is done with each of them
}

// stopWait is how long the go command may clean up after an interrupt before it is killed.
const stopWait = 3 * time.Second

// goError reports that the go command ran and exited with an error.
type goError struct {
	args   []string
	output string
	err    error
}

func (e *goError) Error() string {
	return fmt.Sprintf("go %s: %v: %s", e.args[0], e.err, strings.TrimSpace(e.output))
}
func (e *goError) Unwrap() error { return e.err }

// output runs the go command and returns its output. If the command fails, the error is a *goError with the text of
// stderr. If the end of ctx stopped it, the error wraps the cause.
func (c goCommand) output(ctx context.Context, args ...string) ([]byte, error) {
	var out, diag bytes.Buffer
	err := c.run(ctx, &out, &diag, args...)
	return out.Bytes(), err
}

func (c goCommand) run(ctx context.Context, stdout io.Writer, diag *bytes.Buffer, args ...string) error {
	cmd := exec.CommandContext(ctx, c.path, args...)
	cmd.Dir = c.dir
	// os/exec sets PWD only if Env is nil. The go command needs it to print names as the user gave them.
	cmd.Env = append(slices.Clone(c.env), "PWD="+c.dir)
	cmd.Stdout = stdout
	cmd.Stderr = io.MultiWriter(diag, &progressWriter{line: c.progress})
	// A separate process group, so that compilers and linkers end together with the go command that started them.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = stopWait
	err := cmd.Run()
	if ctx.Err() != nil {
		if cmd.Process != nil {
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // for whatever is left in the group; usually nothing is
		}
		return fmt.Errorf("go %s: %w", args[0], context.Cause(ctx))
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return &goError{args: args, output: diag.String(), err: err}
	}
	if err != nil {
		return fmt.Errorf("run the go command: %w", err)
	}
	return nil
}

// progressWriter passes on whole lines.
type progressWriter struct {
	line func(text string)
	rest []byte
}

func (p *progressWriter) Write(b []byte) (int, error) {
	p.rest = append(p.rest, b...)
	for {
		i := bytes.IndexByte(p.rest, '\n')
		if i < 0 {
			return len(b), nil
		}
		p.line(string(p.rest[:i]))
		p.rest = p.rest[i+1:]
	}
}

// progress passes on what a line tells of the build: a download, or a package that is compiled. Lines about the sources are part of the
// error.
func (c goCommand) progress(line string) {
	switch {
	case strings.HasPrefix(line, "go: downloading"):
		fmt.Fprintln(c.log, line) // an error here doesn't matter to the build
	case c.packages[line]:
		c.compiling(line)
	}
}

// isProgress reports whether a line is about a download, or names a package that is compiled.
func (c goCommand) isProgress(line string) bool {
	return strings.HasPrefix(line, "go: downloading") || c.packages[strings.TrimSuffix(line, "\n")]
}
