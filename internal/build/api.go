package build

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sohost/sohost/internal/adapters"
)

// apiOf returns the plugin API that a package main is for, "" for sohost's own: the one that the options name, or else the one that its
// declarations tell.
// It refuses what can't be a plugin of that API.
func (l *listing) apiOf(opts Options) (string, error) {
	api := opts.API
	if api == "" {
		api = l.declaredAPI()
	}
	a := adapters.Named(api)
	if a == nil {
		if l.find(abiPath) == nil {
			return "", &Refusal{Kind: ErrPackage, Reason: fmt.Sprintf("%s doesn't import %s", l.main.ImportPath, abiPath),
				Remedy: "declare var Plugin = abi.Descriptor{…} in it; or name the API that it is written for with --api, one of " +
					strings.Join(adapters.Names()[1:], ", ")}
		}
		return "", nil
	}
	var paths []string
	for _, p := range l.all {
		paths = append(paths, p.ImportPath)
	}
	if why, remedy := a.Check(paths); why != "" {
		return "", &Refusal{Kind: ErrPackage, Reason: fmt.Sprintf("%s, a plugin for %s: %s", l.main.ImportPath, api, why), Remedy: remedy}
	}
	return api, nil
}

// declaredAPI returns the API that the exported variables of package main tell, or "". What imports package abi is a plugin of sohost's.
func (l *listing) declaredAPI() string {
	if l.find(abiPath) != nil {
		return adapters.Own
	}
	var names []string
	for _, name := range slices.Concat(l.main.GoFiles, l.main.CgoFiles) {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(l.main.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return "" // the compiler says it better
		}
		for _, d := range file.Decls {
			decl, ok := d.(*ast.GenDecl)
			if !ok || decl.Tok != token.VAR {
				continue
			}
			for _, spec := range decl.Specs {
				for _, id := range spec.(*ast.ValueSpec).Names {
					names = append(names, id.Name)
				}
			}
		}
	}
	return adapters.Claimed(names)
}
