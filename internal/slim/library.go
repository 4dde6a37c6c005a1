package slim

import (
	"maps"
	"slices"

	"github.com/sohost/sohost/internal/goobj"
)

// Package is a package that a plugin consists of.
type Package struct {
	Path    string // as it was compiled
	Archive string // file
	Own     bool   // whether it must be in the image
}

// name is how objects refer to a symbol.
type name struct {
	text string
	abi  uint16
}

// place is where a symbol is defined.
type place struct {
	object *goobj.Object
	index  int
}

// library holds the packages of a plugin, and reads those that it is asked about.
type library struct {
	packages map[string]Package // by the escaped path, as symbols have it
	read     map[string]*goobj.Archive
	symbols  map[string]map[name]place // by the escaped path
}

func newLibrary(packages []Package) *library {
	l := &library{packages: make(map[string]Package), read: make(map[string]*goobj.Archive), symbols: make(map[string]map[name]place)}
	for _, p := range packages {
		l.packages[Escape(p.Path)] = p
	}
	return l
}

// open reads a package.
func (l *library) open(path string) (*goobj.Archive, map[name]place, error) {
	if a := l.read[path]; a != nil {
		return a, l.symbols[path], nil
	}
	a, err := goobj.ReadArchive(l.packages[path].Archive)
	if err != nil {
		return nil, nil, err
	}
	symbols := make(map[name]place)
	for _, o := range a.Objects {
		for i := range o.Defined() {
			if o.Named(i) {
				s := o.Symbol(i)
				symbols[name{s.Name, s.ABI}] = place{o, i}
			}
		}
	}
	l.read[path], l.symbols[path] = a, symbols
	return a, symbols, nil
}

// find returns the package that defines a symbol, or "". It looks first where the name says, and then everywhere: go:linkname gives
// symbols the names of other packages.
func (l *library) find(n name) (string, error) {
	if path := packageOf(n.text); l.packages[path].Archive != "" {
		if ok, err := l.defines(path, n); ok || err != nil {
			return path, err
		}
	}
	for _, path := range slices.Sorted(maps.Keys(l.packages)) {
		if ok, err := l.defines(path, n); ok || err != nil {
			return path, err
		}
	}
	return "", nil
}

func (l *library) defines(path string, n name) (bool, error) {
	_, symbols, err := l.open(path)
	if err != nil {
		return false, err
	}
	_, ok := symbols[n]
	return ok, nil
}
