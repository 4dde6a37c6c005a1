package build

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// scanned is what the plan has to know of a package's sources.
type scanned struct {
	Directives []directive
	Bare       []string // symbols without a package that its assembly defines
}

// directive is a linkname with the name of the file that holds it.
type directive struct {
	linkname
	File string
}

// scan reads the sources of packages, but of those that are known already. It returns what there is to know, by import path.
func scan(packages []*listed, known map[string]*scanned) (map[string]*scanned, error) {
	all := make(map[string]*scanned)
	var files []sourceFile
	for _, pkg := range packages {
		if all[pkg.ImportPath] = known[pkg.ImportPath]; all[pkg.ImportPath] != nil {
			continue
		}
		all[pkg.ImportPath] = new(scanned)
		if slices.Contains(pkg.Imports, "unsafe") { // directives are allowed only with it
			for _, name := range slices.Concat(pkg.GoFiles, pkg.CgoFiles) {
				files = append(files, sourceFile{pkg: pkg, name: name})
			}
		}
		if !pkg.usesCgo() { // otherwise the C compiler assembles
			for _, name := range pkg.SFiles {
				files = append(files, sourceFile{pkg: pkg, name: name, isAsm: true})
			}
		}
	}
	errs := make([]error, len(files))
	var next atomic.Int64
	var readers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		readers.Go(func() {
			for i := int(next.Add(1) - 1); i < len(files); i = int(next.Add(1) - 1) {
				errs[i] = files[i].scan()
			}
		})
	}
	readers.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("look for linknames and symbols: %w", err)
	}
	for _, f := range files { // in the order of the list, whatever was read first
		s := all[f.pkg.ImportPath]
		s.Directives, s.Bare = append(s.Directives, f.found.Directives...), append(s.Bare, f.found.Bare...)
	}
	return all, nil
}

// sourceFile is a file of a package that is read.
type sourceFile struct {
	pkg   *listed
	name  string
	isAsm bool
	found scanned
}

func (f *sourceFile) scan() error {
	src, err := os.ReadFile(filepath.Join(f.pkg.Dir, f.name))
	if err != nil {
		return err
	}
	if f.isAsm {
		f.found.Bare = bareSymbols(src)
		return nil
	}
	for _, l := range linknames(src) {
		f.found.Directives = append(f.found.Directives, directive{l, f.name})
	}
	return nil
}
