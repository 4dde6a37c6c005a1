package slim

import (
	"iter"
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
	paths    []string           // of these, sorted
	read     map[string]*goobj.Archive
	symbols  map[string]map[name]place // by the escaped path; made when a package is first asked for a symbol
}

func newLibrary(packages []Package) *library {
	l := &library{packages: make(map[string]Package), read: make(map[string]*goobj.Archive), symbols: make(map[string]map[name]place)}
	for _, p := range packages {
		l.packages[Escape(p.Path)] = p
	}
	l.paths = slices.Sorted(maps.Keys(l.packages))
	return l
}

// open reads a package.
func (l *library) open(path string) (*goobj.Archive, error) {
	if a := l.read[path]; a != nil {
		return a, nil
	}
	a, err := goobj.MapArchive(l.packages[path].Archive)
	if err != nil {
		return nil, err
	}
	l.read[path] = a
	return a, nil
}

// symbolsOf returns the symbols that a package defines for others.
func (l *library) symbolsOf(path string) (map[name]place, error) {
	if s := l.symbols[path]; s != nil {
		return s, nil
	}
	a, err := l.open(path)
	if err != nil {
		return nil, err
	}
	count := 0
	for range definitions(a) {
		count++
	}
	symbols := make(map[name]place, count) // to let it grow takes longer than to count
	for n, at := range definitions(a) {
		symbols[n] = at
	}
	l.symbols[path] = symbols
	return symbols, nil
}

// definitions returns the symbols that a package defines for others, and where. One of several objects may define a name again.
func definitions(a *goobj.Archive) iter.Seq2[name, place] {
	return func(yield func(name, place) bool) {
		for _, o := range a.Objects {
			for i := range o.Defined() {
				if !o.Named(i) {
					continue
				}
				if s := o.Symbol(i); !yield(name{s.Name, s.ABI}, place{o, i}) {
					return
				}
			}
		}
	}
}

// find returns the package that defines a symbol, or "". It looks first where the name says, and then everywhere: go:linkname gives
// symbols the names of other packages.
func (l *library) find(n name) (string, error) {
	if path := packageOf(n.text); l.packages[path].Archive != "" {
		if ok, err := l.defines(path, n); ok || err != nil {
			return path, err
		}
	}
	for _, path := range l.paths { // always the same of several
		if ok, err := l.has(path, n); ok || err != nil {
			return path, err
		}
	}
	return "", nil
}

// has is defines for packages of which little else is asked: it makes no table of all their symbols.
func (l *library) has(path string, n name) (bool, error) {
	if l.symbols[path] != nil {
		return l.defines(path, n)
	}
	a, err := l.open(path)
	if err != nil {
		return false, err
	}
	for other := range definitions(a) {
		if other == n {
			return true, nil
		}
	}
	return false, nil
}

func (l *library) defines(path string, n name) (bool, error) {
	symbols, err := l.symbolsOf(path)
	if err != nil {
		return false, err
	}
	_, ok := symbols[n]
	return ok, nil
}
