package build

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sohost/sohost/internal/slim"
)

// Assembly names its own package's symbols without a path, and those of other packages with it, as in
// example·com∕app∕cpu·X86(SB). Before compiling, the go command asks the assembler for the names in each package
// (-gensymabis); the ids aren't known then, so compile rewrites that list. When the files are assembled they are known, and are
// written into copies of the files.

// asmArgs changes the assembler's arguments, which are relative to dir, to the paths that the compiler used.
func (w *wrapper) asmArgs(dir string, args []string) ([]string, error) {
	at := argument(args, "-p")
	if at < 0 {
		return args, nil
	}
	name, err := pathFile(args)
	if err != nil {
		return nil, err
	}
	path, paths, err := readPaths(name)
	if errors.Is(err, fs.ErrNotExist) {
		return args, nil
	}
	if err != nil {
		return nil, err
	}
	args[at] = path
	if w.plan.Slim {
		args = append([]string{slimFlag}, args...)
	}
	e := asmEditor{dir: dir, paths: paths, work: args[argument(args, "-o")] + ".sohost", edited: make(map[string]string)}
	for i, a := range args {
		if i > 0 && args[i-1] == "-I" {
			e.dirs = append(e.dirs, a)
		}
	}
	for i, a := range args {
		if strings.HasSuffix(a, ".s") {
			if args[i], err = e.edit(a); err != nil {
				return nil, err
			}
		}
	}
	if i := argument(args, "-trimpath"); i >= 0 {
		var rewrites string
		for _, from := range slices.Sorted(maps.Keys(e.edited)) {
			if to := e.edited[from]; to != from {
				rewrites += to + "=>" + recordedName(args, from) + ";"
			}
		}
		args[i] = rewrites + args[i]
	}
	return args, nil
}

// asmEditor writes copies of assembly files in which symbols of private packages have their new paths.
type asmEditor struct {
	dir    string            // that names are relative to
	paths  map[string]string // new paths by import path
	dirs   []string          // where files are included from, besides the current directory
	work   string            // directory for the copies; it need not exist
	edited map[string]string // name to use instead of each file that was read; its own if it needs no edits
}

var (
	// asmName matches an identifier with a package path. The assembler takes · for a dot and ∕ for a slash.
	asmName = regexp.MustCompile(`[\p{L}_][\p{L}\p{Nd}_·∕]*·[\p{L}\p{Nd}_·]+`)

	// asmInclude matches a directive that includes a file.
	asmInclude = regexp.MustCompile(`(?m)^([ \t]*#[ \t]*include[ \t]+")([^"\n]+)"`)
)

// edit returns the name of a copy of the file, or the file's own name if it needs no edits.
func (e *asmEditor) edit(file string) (string, error) {
	if to, ok := e.edited[file]; ok {
		return to, nil
	}
	e.edited[file] = file // for a file that includes itself
	src, err := os.ReadFile(inDir(e.dir, file))
	if err != nil {
		return "", fmt.Errorf("look for symbols: %w", err)
	}
	out := asmName.ReplaceAllStringFunc(string(src), func(name string) string { return renameAsm(name, e.paths) })
	out = asmInclude.ReplaceAllStringFunc(out, func(line string) string {
		m := asmInclude.FindStringSubmatch(line)
		name := e.find(m[2], filepath.Dir(file))
		if name == "" {
			return line // the assembler reports it
		}
		to, failed := e.edit(name)
		if err = cmp.Or(err, failed); failed != nil || to == name {
			return line
		}
		return m[1] + to + `"`
	})
	if err != nil || out == string(src) {
		return file, err
	}
	to := filepath.Join(e.work, fmt.Sprintf("%d_%s", len(e.edited), filepath.Base(file)))
	if err := os.MkdirAll(e.work, 0o700); err != nil {
		return "", err
	}
	e.edited[file] = to
	return to, os.WriteFile(to, []byte(out), 0o600)
}

// find returns the file that the assembler includes under a name: from the current directory, which is the package's, or from
// one of the others.
func (e *asmEditor) find(name, dir string) string {
	for _, d := range append([]string{"", dir}, e.dirs...) {
		file := name
		if !filepath.IsAbs(name) {
			file = filepath.Join(d, name)
		}
		if fi, err := os.Stat(inDir(e.dir, file)); err == nil && fi.Mode().IsRegular() {
			return file
		}
	}
	return ""
}

// renameAsm gives an identifier the new path of its package, if paths has one.
func renameAsm(name string, paths map[string]string) string {
	plain := strings.NewReplacer("·", ".", "∕", "/").Replace(name)
	var owner string
	for path := range paths {
		rest, ok := strings.CutPrefix(plain, path+".")
		if ok && !strings.Contains(rest, "/") && len(path) > len(owner) {
			owner = path
		}
	}
	if owner == "" {
		return name
	}
	at := len([]rune(owner)) // a character stands for each of the path's
	runes := []rune(name)
	return string(runes[:at]) + strings.TrimPrefix(paths[owner], owner) + string(runes[at:])
}

// unknownPath is the error for assembly that names a private package which its own package doesn't import.
func unknownPath(symbol, owner string) error {
	return fmt.Errorf("assembly refers to %s of a package that isn't imported, and whose path in an isolated image is therefore not known; "+
		"add import _ %q to a Go file of this package", symbol, owner)
}

// renameSymabis rewrites the list of symbols that the assembler defines and refers to. Its lines are like "def pkg.f ABI0".
func renameSymabis(file string, paths map[string]string, p *plan) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	list, err := symabis(string(b), paths, p)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(list), 0o600)
}

func symabis(list string, paths map[string]string, p *plan) (string, error) {
	prefixes := make(map[string]string) // import paths of private packages
	for path := range p.Roles {
		if p.private(path) {
			prefixes[slim.Escape(path)] = path
		}
	}
	var out strings.Builder
	for line := range strings.Lines(list) {
		verb, rest, _ := strings.Cut(line, " ")
		name, tail, _ := strings.Cut(rest, " ")
		prefix, symbol := splitSymbol(name)
		owner := prefixes[prefix]
		if owner == "" {
			out.WriteString(line)
			continue
		}
		to := paths[owner]
		if to == "" {
			return "", unknownPath(name, owner)
		}
		fmt.Fprintf(&out, "%s %s.%s %s", verb, slim.Escape(to), symbol, tail)
	}
	return out.String(), nil
}

// writePaths leaves the new paths of a package and of those it imports for asm, which doesn't get the ids.
func writePaths(file, path string, paths map[string]string) error {
	text := path + "\n"
	for from, to := range paths {
		text += from + "\t" + to + "\n"
	}
	return os.WriteFile(file, []byte(text), 0o600)
}

func readPaths(file string) (path string, paths map[string]string, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", nil, err
	}
	path, rest, _ := strings.Cut(string(b), "\n")
	paths = make(map[string]string)
	for line := range strings.Lines(rest) {
		if from, to, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok {
			paths[from] = to
		}
	}
	return path, paths, nil
}
