// Package adapter has what it takes to serve plugins that were written for another program's API: the interface of an adapter, and
// what all adapters need. An adapter runs no goroutine and keeps no plugin: it makes a Descriptor of what an image exports, and from
// there on the plugin is like any other.
package adapter

import (
	"slices"

	"github.com/sohost/sohost/abi"
)

// Adapter serves plugins of one API.
type Adapter interface {
	// Name returns the API's name in configurations and for `sohost build --api`.
	Name() string

	// Exports returns the symbols that belong to the API alone: an image that exports one of them is of this API. It is empty if
	// images of the API can't be told by their symbols; then only their builder can say so.
	Exports() []string

	// Check returns why a plugin that has these packages can't be served, and what to do about it; nothing if it can. The packages are
	// import paths as the sources know them. Nothing of the plugin has run.
	Check(packages []string) (why, remedy string)

	// Describe makes a descriptor of what an opened image exports. It runs none of the plugin's code; the descriptor's New does.
	Describe(exported Exports) (*abi.Descriptor, error)
}

// Exports are the exported variables and functions of an image's package main, by name: pointers to variables, and functions.
type Exports map[string]any

// Names returns the names in order.
func (e Exports) Names() []string {
	names := make([]string, 0, len(e))
	for name := range e {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
