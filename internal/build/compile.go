package build

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// compileArgs changes the compiler's arguments, which are relative to dir, according to the package's mark. Packages of the standard library have no mark
// and are compiled as usual.
func (w *wrapper) compileArgs(dir string, args []string) ([]string, error) {
	args, m, err := takeMark(args)
	if err != nil {
		return nil, err
	}
	if m == nil {
		if slices.Contains(args, "-std") {
			return args, nil
		}
		return nil, errAdded
	}
	at := argument(args, "-p")
	if at < 0 {
		return nil, errors.New("no -p")
	}
	if m.role == roleShared {
		return args, recordAs(args, m.value)
	}
	p := w.plan
	bid := argument(args, "-buildid")
	if bid < 0 {
		return nil, errors.New("no -buildid")
	}
	id, err := shortID(args[bid])
	if err != nil {
		return nil, err
	}
	importPath, ok := p.packagePath(args[at])
	if !ok {
		return nil, errAdded
	}
	path := renamed(importPath, id)
	args[at] = path
	paths := make(map[string]string)
	if i := argument(args, "-importcfg"); i >= 0 {
		if args[i], paths, err = renameImports(args[i], p, false); err != nil {
			return nil, err
		}
	}
	paths[importPath] = path
	if i := argument(args, "-symabis"); i >= 0 {
		if err := renameSymabis(args[i], paths, p); err != nil {
			return nil, err
		}
	}
	file, err := pathFile(args)
	if err != nil {
		return nil, err
	}
	if err := writePaths(file, path, paths); err != nil {
		return nil, err
	}
	w.noteRenamings(paths)
	return p.directives(dir, append([]string{wholeMaps}, args...), importPath, paths, filepath.Dir(file))
}

// wholeMaps makes the compiler initialise all maps of a package together. Otherwise the linker leaves out the initialisation of large
// maps that an image doesn't use. The package isn't initialised again when another image does, which would find its map empty.
const wholeMaps = "-d=wrapglobalmapctl=1"

// packagePath returns the import path for the value of -p. The two differ for a plugin that was given as files. It reports false for a
// package that isn't in the plan.
func (p *plan) packagePath(flag string) (path string, ok bool) {
	if _, ok := p.Roles[flag]; ok {
		return flag, true
	}
	return p.Main, flag == "main" || flag == "command-line-arguments" || strings.HasPrefix(flag, "plugin/unnamed-")
}

// errAdded is the error for a package that wasn't there when the plan was made.
var errAdded = errors.New("the package was added during the build; build again")

// takeMark removes the mark from the compiler's arguments.
func takeMark(args []string) (without []string, found *mark, err error) {
	for _, a := range args {
		m, ok, err := parseMark(a)
		if err != nil {
			return nil, nil, err
		}
		if ok {
			found = &m
			continue
		}
		without = append(without, a)
	}
	return without, found, nil
}

// recordAs makes the compiler record the package's files under dir. -trimpath holds rewrites, the first for the package's
// directory. Whether that one includes a version depends on the module from which the plugin sees the package, but it must
// be as the host sees it.
func recordAs(args []string, dir string) error {
	if dir == "" {
		return nil
	}
	i := argument(args, "-trimpath")
	if i < 0 {
		return errors.New("no -trimpath")
	}
	from, rest, ok := strings.Cut(args[i], "=>")
	_, rest, more := strings.Cut(rest, ";")
	if !ok || !more {
		return fmt.Errorf("unexpected form of -trimpath %q", args[i])
	}
	args[i] = from + "=>" + dir + ";" + rest
	return nil
}

// pathFile returns the file in which compile leaves paths for asm. The go command keeps the files of both in one directory for the
// package.
func pathFile(args []string) (string, error) {
	i := argument(args, "-o")
	if i < 0 {
		return "", errors.New("no -o")
	}
	return filepath.Join(filepath.Dir(args[i]), "sohost.path"), nil
}
