package build

import (
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// diagnostics cleans up the go command's messages about the sources: it removes progress lines and the ids in package paths.
func diagnostics(output string, r renamings, c goCommand) string {
	var lines []string
	for line := range strings.Lines(r.undo(output)) {
		if !c.isProgress(line) {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// renamings returns the new paths that a failed build's messages may contain. The wrapper has noted those of the packages that
// were compiled and of what these import. A message can also name a package further down that came from the build cache; if
// one may have, the go command is asked for the ids of all packages.
func (s *surveyed) renamings(ctx context.Context, w *wrapper, output string, c goCommand, flags []string) (renamings, error) {
	p, r := w.plan, w.renamings // the go command has ended
	rest := r.undo(output)
	if !slices.ContainsFunc(slices.Collect(maps.Keys(p.Roles)), func(path string) bool {
		return p.private(path) && strings.Contains(rest, renamed(path, ""))
	}) {
		return r, nil
	}
	c.log = io.Discard
	args := slices.Concat([]string{"list", "-e", "-deps", "-export", "-f={{.ImportPath}} {{.BuildID}}"}, flags, []string{"--", s.target.arg})
	out, err := c.output(ctx, args...)
	if err != nil && ctx.Err() != nil {
		return nil, err // any other error is the one that is being reported
	}
	for line := range strings.Lines(string(out)) {
		path, buildID, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if id, err := shortID(buildID); err == nil && p.private(path) {
			r[renamed(path, id)] = path
		}
	}
	return r, nil
}

// position matches a file name with a line number, at the start of a line or after a space or parenthesis.
var position = regexp.MustCompile(`(?m)(^|[\s(])([^\s():]+\.(?:go|s|S|c|h|cc|cpp|cxx|hh|hpp|hxx|mod|sum|work)):(\d+)`)

// relative rewrites the file names in the go command's messages. They are relative to the directory where it ran, and become
// relative to the caller's.
func (s *surveyed) relative(text string) string {
	return position.ReplaceAllStringFunc(text, func(match string) string {
		m := position.FindStringSubmatch(match)
		name := m[2]
		if !filepath.IsAbs(name) {
			name = filepath.Join(s.target.dir, name)
		}
		if _, err := os.Stat(name); err != nil {
			return match
		}
		return m[1] + shorter(name, s.base) + ":" + m[3]
	})
}

// shorter returns name or, if that is shorter, its form relative to base.
func shorter(name, base string) string {
	if rel, err := filepath.Rel(base, name); err == nil && len(rel) < len(name) {
		return rel
	}
	return name
}

// Diagnostic is one of a compiler's messages.
type Diagnostic struct {
	File    string `json:"file,omitempty"` // as in CompileError.Output; "" if the message has no position
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"` // with the lines that continue it, if there are any
}

// message matches a message with a position, which ends with a column if the tool gives one.
var message = regexp.MustCompile(`^([^\s:]+):(\d+)(?::(\d+))?: (.*)$`)

// Diagnostics returns the messages in e.Output one by one. A line that begins with white space belongs to the message before it.
// Lines that only name the package are left out.
func (e *CompileError) Diagnostics() []Diagnostic {
	var out []Diagnostic
	for line := range strings.Lines(e.Output) {
		line = strings.TrimSuffix(line, "\n")
		m := message.FindStringSubmatch(line)
		switch {
		case strings.HasPrefix(line, "# "):
		case m != nil:
			d := Diagnostic{File: m[1], Message: m[4]}
			d.Line, _ = strconv.Atoi(m[2]) // 0 if the number is beyond any file
			d.Column, _ = strconv.Atoi(m[3])
			out = append(out, d)
		case len(out) > 0 && strings.TrimLeft(line, " \t") != line:
			out[len(out)-1].Message += "\n" + line
		default:
			out = append(out, Diagnostic{Message: line})
		}
	}
	return out
}
