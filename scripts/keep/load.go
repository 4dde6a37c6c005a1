package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"runtime"
)

// load returns the packages with their types, as compiled for an architecture.
func load(packages []string, arch string) ([]*types.Package, error) {
	all, err := list(packages, arch)
	if err != nil {
		return nil, err
	}
	exports := map[string]string{}
	for _, l := range all {
		exports[l.ImportPath] = l.Export
	}
	imp := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		file, ok := exports[path]
		if !ok {
			if file, ok = exports["vendor/"+path]; !ok {
				return nil, fmt.Errorf("no export data of %s", path)
			}
		}
		return os.Open(file)
	})
	var pkgs []*types.Package
	for _, path := range packages {
		p, err := imp.Import(path)
		if err != nil {
			return nil, err
		}
		pkgs = append(pkgs, p)
	}
	return pkgs, nil
}

// listing is what the go command says of a package.
type listing struct {
	ImportPath string
	Export     string
}

func list(packages []string, arch string) (found []listing, err error) {
	cmd := exec.Command("go", append([]string{"list", "-trimpath", "-export", "-deps", "-json=ImportPath,Export"}, packages...)...)
	cmd.Env = append(os.Environ(), "GOARCH="+arch)
	if arch != runtime.GOARCH {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=0") // the API is the same
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list for %s: %w", arch, err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var l listing
		if err := d.Decode(&l); err != nil {
			return nil, err
		}
		found = append(found, l)
	}
	return found, nil
}
