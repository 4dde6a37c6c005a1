package build

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// inputs are the files and directories that determine what the go command says of a plugin's packages. What lies in the module cache
// or belongs to the toolchain doesn't change.
type inputs struct {
	Packages []string // directories: the names in them and the shapes of the sources count
	Trees    []string // directories from which files are or could be embedded: all names in them and below count
	Files    []string // whose content counts, or that they aren't there
}

func inputsOf(s *surveyed) inputs {
	packages, trees, files := make(map[string]bool), make(map[string]bool), make(map[string]bool)
	modules := []string{s.env.GOMOD, s.env.GOWORK}
	for _, p := range s.listing.all {
		if p.Standard || p.Dir == "" || immutable(p, s.env.GOMODCACHE) {
			continue
		}
		packages[p.Dir] = true
		for _, tree := range embedTrees(p) {
			trees[tree] = true
		}
		for m := p.Module; m != nil; m = m.Replace {
			modules = append(modules, m.GoMod)
		}
		above(p.Dir, files)
	}
	above(s.target.dir, files)
	for len(modules) > 0 {
		file := modules[0]
		modules = modules[1:]
		if !filepath.IsAbs(file) || files[file+"\x00"] || within(file, s.env.GOMODCACHE) {
			continue
		}
		files[file+"\x00"] = true // seen
		files[file] = true
		files[filepath.Join(filepath.Dir(file), "go.sum")] = true
		files[filepath.Join(filepath.Dir(file), "go.work.sum")] = true
		files[filepath.Join(filepath.Dir(file), "vendor", "modules.txt")] = true
		modules = append(modules, namedModules(file)...)
	}
	if file := s.all["GOENV"]; filepath.IsAbs(file) {
		files[file] = true
	}
	maps.DeleteFunc(files, func(file string, _ bool) bool { return strings.HasSuffix(file, "\x00") })
	return inputs{Packages: slices.Sorted(maps.Keys(packages)), Trees: slices.Sorted(maps.Keys(trees)), Files: slices.Sorted(maps.Keys(files))}
}

// above adds the files by which a directory would belong to another module or workspace.
func above(dir string, files map[string]bool) {
	for ; ; dir = filepath.Dir(dir) {
		files[filepath.Join(dir, "go.mod")] = true
		files[filepath.Join(dir, "go.work")] = true
		if dir == filepath.Dir(dir) {
			return
		}
	}
}

// namedModules returns the go.mod files of the directories that a go.mod or go.work names: every word that begins as a path does.
func namedModules(file string) (out []string) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	for _, word := range strings.FieldsFunc(string(b), func(r rune) bool { return strings.ContainsRune(" \t\r\n\"`()", r) }) {
		switch {
		case filepath.IsAbs(word):
			out = append(out, filepath.Join(word, "go.mod"))
		case strings.HasPrefix(word, "."):
			out = append(out, filepath.Join(filepath.Dir(file), word, "go.mod"))
		}
	}
	return out
}

// digest returns a hash of the inputs as they are now, and when the last of them changed.
func (in *inputs) digest() (digest string, newest time.Time, err error) {
	sum := sha256.New()
	see := func(name string) (fs.FileInfo, error) {
		st, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		if s, ok := st.Sys().(*syscall.Stat_t); ok {
			if at := time.Unix(s.Ctim.Unix()); at.After(newest) {
				newest = at
			}
		}
		return st, nil
	}
	for _, dir := range in.Packages {
		if _, err := see(dir); err != nil {
			return "", newest, err
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			return "", newest, err
		}
		fmt.Fprintf(sum, "package %q\n", dir)
		for _, e := range entries {
			name := filepath.Join(dir, e.Name())
			st, err := see(name)
			if errors.Is(err, fs.ErrNotExist) || err == nil && !isPart(e.Name(), st) {
				continue
			}
			if err != nil {
				return "", newest, err
			}
			shape, err := shapeOf(name, st)
			if err != nil {
				return "", newest, err
			}
			fmt.Fprintf(sum, "%q %v %x\n", e.Name(), st.Mode().Type(), shape)
		}
	}
	for _, tree := range in.Trees {
		err := filepath.WalkDir(tree, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() {
				if _, err := see(name); err != nil {
					return err
				}
			}
			fmt.Fprintf(sum, "embedded %q %v\n", name, d.Type())
			return nil
		})
		if err != nil {
			return "", newest, err
		}
	}
	for _, file := range in.Files {
		b, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			return "", newest, err
		}
		if err == nil {
			if _, err := see(file); err != nil {
				return "", newest, err
			}
		}
		fmt.Fprintf(sum, "file %q %t %x\n", file, err == nil, sha256.Sum256(b))
	}
	return hex.EncodeToString(sum.Sum(nil)), newest, nil
}

// isPart reports whether an entry of a package's directory counts. The go command ignores these, and images may lie there.
func isPart(name string, st fs.FileInfo) bool {
	return !strings.HasSuffix(name, "_test.go") && !strings.HasSuffix(name, "~") && !strings.HasSuffix(name, ".so") &&
		(st.IsDir() || st.Mode().IsRegular()) && !(strings.HasPrefix(name, ".") && strings.HasSuffix(name, ".swp"))
}
