package build

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// compileArgs changes the compiler's arguments by the package's mark. A package without one, from the standard
// library, is compiled as ever.
func compileArgs(args []string) ([]string, error) {
	args, m, err := takeMark(args)
	if err != nil {
		return nil, err
	}
	if m == nil {
		if slices.Contains(args, "-std") {
			return args, nil
		}
		return nil, errors.New("the package was not there when the build began; build again")
	}
	at := argument(args, "-p")
	if at < 0 {
		return nil, errors.New("no -p")
	}
	if m.role == roleShared {
		return args, recordAs(args, m.value)
	}
	p, err := readPlan()
	if err != nil {
		return nil, err
	}
	bid := argument(args, "-buildid")
	if bid < 0 {
		return nil, errors.New("no -buildid")
	}
	id, err := shortID(args[bid])
	if err != nil {
		return nil, err
	}
	importPath := packagePath(p, args[at])
	path := renamed(importPath, id)
	if i := argument(args, "-symabis"); i >= 0 {
		if err := renameSymabis(args[i], args[at], path, p); err != nil {
			return nil, err
		}
	}
	file, err := pathFile(args)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, []byte(path), 0o600); err != nil {
		return nil, err
	}
	args[at] = path
	paths := make(map[string]string)
	if i := argument(args, "-importcfg"); i >= 0 {
		if args[i], paths, err = renameImports(args[i], p, false); err != nil {
			return nil, err
		}
	}
	paths[importPath] = path
	return p.directives(args, importPath, paths, filepath.Dir(file))
}

// packagePath is the import path behind a -p. The two differ for a plugin that was given as files.
func packagePath(p *plan, flag string) string {
	if _, ok := p.Roles[flag]; !ok {
		return p.Main
	}
	return flag
}

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

// recordAs makes the compiler record the package's files under dir. -trimpath holds rewrites, the first being that of the
// package's directory: it says module@version or not, depending on the module from which the plugin sees the package, and
// not on that from which the host does.
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
		return fmt.Errorf("unknown form of -trimpath %q", args[i])
	}
	args[i] = from + "=>" + dir + ";" + rest
	return nil
}

// pathFile is where compile leaves the package's path for asm, which isn't told the id: the go command keeps the files of
// both in one directory of the package's own.
func pathFile(args []string) (string, error) {
	i := argument(args, "-o")
	if i < 0 {
		return "", errors.New("no -o")
	}
	return filepath.Join(filepath.Dir(args[i]), "sohost.path"), nil
}
