package slim

import (
	"maps"
	"slices"

	"github.com/sohost/sohost/internal/goobj"
)

// Closure is what a slim image consists of.
type Closure struct {
	// Along lists the packages that are in the image, sorted. Why says of those that aren't the plugin's own what the host lacks.
	Along []string
	Why   map[string]string

	// Shared lists the packages that the image takes from the host, sorted.
	Shared []string

	needed  map[name]string // what the linker asks the host for: the host's names
	library *library
}

// Unslim is the error for a plugin that can't take anything from this host.
type Unslim struct{ Reason string }

// Error describes why.
func (e *Unslim) Error() string { return e.Reason }

// Close finds out which packages a plugin brings, and what it needs of the host. Main is the plugin's path. The error is an *Unslim if
// only a full image is possible.
//
// A package comes along if the host lacks it, or anything of it that is needed by what is in the image. What that refers to is needed
// in turn. The result is what the linker keeps or a little more: methods count as needed with their types.
func Close(host *Host, packages []Package, main string) (*Closure, error) {
	if why := host.Unfit(); why != "" {
		return nil, &Unslim{why}
	}
	w := &walk{host: host, library: newLibrary(packages), along: make(map[string]bool), why: make(map[string]string),
		needed: make(map[name]string), seen: make(map[*goobj.Object]*seen), layouts: make(map[place]bool)}
	first, room := []string{}, 0
	for _, path := range slices.Sorted(maps.Keys(w.library.packages)) {
		if p := w.library.packages[path]; p.Own || !host.HasPackage(p.Path) {
			archive, err := w.library.open(path)
			if err != nil {
				return nil, err
			}
			for _, o := range archive.Objects { // most of what they define has no name
				for i := range o.Defined() {
					if o.Named(i) {
						room++
					}
				}
			}
			first = append(first, path)
		}
	}
	w.defined = newDefined(room)
	for _, path := range first {
		if err := w.bring(path, noPackage); err != nil {
			return nil, err
		}
	}
	for _, n := range roots(main) {
		if err := w.visit(n, true); err != nil {
			return nil, err
		}
	}
	if err := w.run(); err != nil {
		return nil, err
	}
	return w.result(), nil
}

// roots returns the names that the linker begins with, besides those of initialisation (cmd/link, deadcode).
func roots(main string) []name {
	prefix := Escape(main)
	return []name{
		{"go:plugin.tabs", goobj.ABI0}, {"go:plugin.exports", goobj.ABI0}, {prefix + ".main", goobj.ABIInternal}, {"runtime.unreachableMethod", goobj.ABIInternal},
		{"runtime.lastmoduledatap", goobj.ABI0}, {"runtime.tlsg", goobj.ABI0}, {"type:runtime.moduledata", goobj.ABI0},
	}
}
