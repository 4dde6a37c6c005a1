package build

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// keyLen is the number of hexadecimal digits of a key in a mark.
const keyLen = 32

// freshKey returns a hash of everything in one generation of a plugin. It is part of the marks of fresh packages, so all of
// them change their identity if anything in the image changes, and none if nothing does.
//
// Action ids aren't enough for that: the action id of a fresh package covers only the package and its dependencies, not the
// rest of the image. Names are relative to their packages, so that the same sources in another directory are the same
// plugin.
func freshKey(settings []string, packages []*listed, cKeys map[string]string, modCache string) (string, error) {
	h := sha256.New()
	for _, s := range settings {
		fmt.Fprintf(h, "set %q\n", s)
	}
	for _, p := range packages {
		fmt.Fprintf(h, "package %q", p.ImportPath)
		if immutable(p, modCache) {
			m := p.Module
			if m.Replace != nil {
				m = m.Replace
			}
			fmt.Fprintf(h, " %q %q\n", m.Path, m.Version)
		} else {
			fmt.Fprintln(h)
			if err := hashFiles(h, p.Dir, p.files()); err != nil {
				return "", err
			}
		}
		fmt.Fprintf(h, "c %q\n", cKeys[p.ImportPath])
	}
	return hex.EncodeToString(h.Sum(nil))[:keyLen], nil
}

// cKey returns a hash of the C files that may go into a package without the go command knowing: headers and sources in
// subdirectories, headers elsewhere, and libraries named by #cgo LDFLAGS or pkg-config. It is empty for packages that can't have
// any.
func cKey(p *listed, o outer, modCache string) (string, error) {
	fixed := immutable(p, modCache)
	if !p.usesCgo() || fixed && len(o.headers)+len(o.ldflags) == 0 {
		return "", nil
	}
	h := sha256.New()
	if !fixed {
		names, err := cFiles(p, modCache)
		if err != nil {
			return "", err
		}
		if err := hashFiles(h, p.Dir, names); err != nil {
			return "", err
		}
	}
	for _, name := range o.headers {
		if err := hashFiles(h, filepath.Dir(name), []string{filepath.Base(name)}); err != nil {
			return "", err
		}
	}
	ldflags := o.ldflags
	if !fixed {
		ldflags = slices.Concat(p.CgoLDFLAGS, ldflags)
	}
	if err := hashLibraries(h, ldflags); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil))[:keyLen], nil
}

// cFiles returns the names of C files in the directory of a package with cgo, and below, relative to the directory.
func cFiles(p *listed, modCache string) ([]string, error) {
	if !p.usesCgo() {
		return nil, nil
	}
	var names []string
	err := filepath.WalkDir(p.Dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != p.Dir && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "vendor" || name == modCache) {
			return filepath.SkipDir
		}
		if d.Type().IsRegular() && cExtensions[filepath.Ext(name)] {
			rel, err := filepath.Rel(p.Dir, name)
			if err != nil {
				return err
			}
			names = append(names, rel)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for C files: %w", err)
	}
	return names, nil
}

// cExtensions has no extensions of compiled files, because an image may well lie below its package.
var cExtensions = map[string]bool{
	".c": true, ".h": true, ".cc": true, ".cpp": true, ".cxx": true, ".hh": true, ".hpp": true, ".hxx": true,
	".inc": true, ".inl": true, ".def": true, ".s": true, ".S": true, ".f": true, ".F": true,
	".for": true, ".f90": true, ".swig": true, ".swigcxx": true, ".i": true,
}

// hashLibraries adds the libraries that are linked by name from directories that the flags name. It ignores the system's
// libraries.
func hashLibraries(h hash.Hash, ldflags []string) error {
	var dirs, names []string
	for i, f := range ldflags {
		switch {
		case filepath.IsAbs(f):
			names = append(names, f)
		case f == "-L" && i+1 < len(ldflags):
			dirs = append(dirs, ldflags[i+1])
		case strings.HasPrefix(f, "-L"):
			dirs = append(dirs, f[2:])
		}
	}
	for _, f := range ldflags {
		if lib, ok := strings.CutPrefix(f, "-l"); ok {
			for _, d := range dirs {
				names = append(names, filepath.Join(d, "lib"+lib+".a"), filepath.Join(d, "lib"+lib+".so"))
			}
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		fi, err := os.Stat(name)
		return err != nil || !fi.Mode().IsRegular() // the linker reports it, if it matters
	})
	for _, name := range names {
		if err := hashFiles(h, filepath.Dir(name), []string{filepath.Base(name)}); err != nil {
			return err
		}
	}
	return nil
}

func hashFiles(h hash.Hash, dir string, names []string) error {
	names = slices.Clone(names)
	slices.Sort(names)
	for _, name := range names {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			return fmt.Errorf("hash the sources: %w", err)
		}
		sum := sha256.New()
		_, err = io.Copy(sum, f)
		f.Close() // read only
		if err != nil {
			return fmt.Errorf("hash the sources: %w", err)
		}
		fmt.Fprintf(h, "file %q %x\n", name, sum.Sum(nil))
	}
	return nil
}

// immutable reports whether its module's version alone identifies a package, because it lies in the module cache.
func immutable(p *listed, modCache string) bool {
	return p.Module != nil && !p.Module.Main && modCache != "" && within(p.Dir, modCache)
}

// within reports whether name is dir or lies below it.
func within(name, dir string) bool {
	return name == dir || strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/")
}
