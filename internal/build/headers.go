package build

import (
	"bytes"
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// outer holds the C files and flags of a package with cgo that lie outside its directory.
type outer struct {
	headers []string // absolute names of the header files that it includes, without those of the system
	ldflags []string // from pkg-config
}

// outer finds what a package takes from outside its directory: headers and libraries that pkg-config or a -I names. The go
// command doesn't look at them, so a package would keep its identity when only they change. Packages without such flags have
// none and cost nothing. What fails here is left to the go command to report: it is about to do the same.
func (s *surveyed) outer(ctx context.Context, p *listed) outer {
	var o outer
	if !p.usesCgo() {
		return o
	}
	cflags := slices.Concat(s.cgoFlags("CGO_CPPFLAGS"), s.cgoFlags("CGO_CFLAGS"), p.CgoCPPFLAGS, p.CgoCFLAGS)
	if len(p.CgoPkgConfig) > 0 {
		cflags = append(cflags, s.pkgConfig(ctx, p, "--cflags")...)
		o.ldflags = s.pkgConfig(ctx, p, "--libs")
	}
	if !slices.ContainsFunc(cflags, func(f string) bool { return strings.HasPrefix(f, "-I") || strings.HasPrefix(f, "-i") }) {
		return o
	}
	cc, err := splitQuoted(lastSet(s.command.env, "CC", s.env.CC))
	if err != nil || len(cc) == 0 {
		return o
	}
	// With -MM the preprocessor lists the headers that a file includes, without those of the system.
	args := slices.Concat(cc[1:], cflags, []string{"-I", p.Dir, "-MM", "-MG", "-x", "c", "-"})
	if files := slices.Concat(p.CFiles, p.CXXFiles); len(files) > 0 {
		args = append(append(args, "-x", "none"), files...)
	}
	out, err := s.tool(ctx, p, cc[0], preambles(p), args)
	if err != nil {
		return o
	}
	for _, name := range dependencies(out) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(p.Dir, name)
		}
		if fi, err := os.Stat(name); err == nil && fi.Mode().IsRegular() && !within(name, p.Dir) {
			o.headers = append(o.headers, filepath.Clean(name))
		}
	}
	slices.Sort(o.headers)
	o.headers = slices.Compact(o.headers)
	return o
}

func (s *surveyed) cgoFlags(key string) []string {
	flags, err := splitQuoted(s.all[key])
	if err != nil {
		return nil
	}
	return flags
}

func (s *surveyed) pkgConfig(ctx context.Context, p *listed, flag string) []string {
	args, names := []string{flag}, []string{"--"}
	for _, name := range p.CgoPkgConfig {
		if strings.HasPrefix(name, "--") {
			args = append(args, name)
		} else {
			names = append(names, name)
		}
	}
	out, err := s.tool(ctx, p, s.all["PKG_CONFIG"], nil, append(args, names...))
	if err != nil {
		return nil
	}
	flags, err := splitQuoted(string(out))
	if err != nil {
		return nil
	}
	return flags
}

// tool runs a program in the package's directory, in the environment of the build, and returns its output.
func (s *surveyed) tool(ctx context.Context, p *listed, name string, stdin []byte, args []string) ([]byte, error) {
	file := findProgram(s.command.env, name)
	if file == "" {
		return nil, exec.ErrNotFound
	}
	cmd := exec.CommandContext(ctx, file, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = p.Dir, append(slices.Clone(s.command.env), "PWD="+p.Dir), bytes.NewReader(stdin)
	cmd.WaitDelay = stopWait
	out, err := cmd.Output()
	return out, errors.Join(err, context.Cause(ctx))
}

// preambles returns the C code in the comments before import "C" of all files of a package.
func preambles(p *listed) []byte {
	var b bytes.Buffer
	for _, name := range p.CgoFiles {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			continue
		}
		for _, d := range f.Decls {
			decl, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range decl.Specs {
				if i, ok := spec.(*ast.ImportSpec); ok && i.Path.Value == `"C"` {
					doc := i.Doc
					if doc == nil && len(decl.Specs) == 1 {
						doc = decl.Doc
					}
					writePreamble(&b, doc)
				}
			}
		}
	}
	return b.Bytes()
}

func writePreamble(b *bytes.Buffer, doc *ast.CommentGroup) {
	if doc == nil {
		return
	}
	for _, c := range doc.List {
		text := strings.TrimPrefix(c.Text, "//")
		if inner, ok := strings.CutPrefix(c.Text, "/*"); ok {
			text = strings.TrimSuffix(inner, "*/")
		}
		for line := range strings.Lines(text + "\n") {
			if !strings.HasPrefix(strings.TrimSpace(line), "#cgo") {
				b.WriteString(line)
			}
		}
	}
}

// dependencies returns the names in rules for make, such as "x.o: x.c \<newline> x.h", without their targets.
func dependencies(rules []byte) []string {
	var out []string
	var name []byte
	end := func() {
		if len(name) > 0 && name[len(name)-1] != ':' {
			out = append(out, string(name))
		}
		name = name[:0]
	}
	for i := 0; i < len(rules); i++ {
		switch c := rules[i]; {
		case c == '\\' && i+1 < len(rules) && rules[i+1] == '\n':
			i++
			end()
		case (c == '\\' || c == '$') && i+1 < len(rules) && (rules[i+1] == ' ' || rules[i+1] == '#' || rules[i+1] == '$'):
			i++
			name = append(name, rules[i])
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			end()
		default:
			name = append(name, c)
		}
	}
	end()
	return out
}
