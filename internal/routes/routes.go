// Package routes finds what serves a URL path: the value with the longest prefix of it, whole segments only.
package routes

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// Table finds values by name and by route. It is immutable, so that callers take no lock: With makes a new one. The zero
// Table is empty.
type Table[T any] struct {
	names    map[string]T
	prefixes map[string]T
}

// With returns the table with one more value. Routes are clean absolute paths.
func (t *Table[T]) With(name string, routes []string, value T) *Table[T] {
	next := &Table[T]{names: maps.Clone(t.names), prefixes: maps.Clone(t.prefixes)}
	if next.names == nil {
		next.names, next.prefixes = map[string]T{}, map[string]T{}
	}
	next.names[name] = value
	for _, r := range routes {
		next.prefixes[r] = value
	}
	return next
}

// Named returns the value of that name.
func (t *Table[T]) Named(name string) (value T, ok bool) {
	value, ok = t.names[name]
	return value, ok
}

// At returns the value that has exactly that route.
func (t *Table[T]) At(route string) (value T, ok bool) {
	value, ok = t.prefixes[route]
	return value, ok
}

// Names returns all names, sorted.
func (t *Table[T]) Names() []string { return slices.Sorted(maps.Keys(t.names)) }

// All returns all values in the order of their names.
func (t *Table[T]) All() []T {
	all := make([]T, 0, len(t.names))
	for _, name := range t.Names() {
		all = append(all, t.names[name])
	}
	return all
}

// Find returns the value with the longest route that covers the path. A route covers itself and everything below it. Find
// doesn't allocate for a clean path.
func (t *Table[T]) Find(urlPath string) (value T, ok bool) {
	if !strings.HasPrefix(urlPath, "/") { // as in OPTIONS *
		urlPath = "/" + urlPath
	}
	for prefix := path.Clean(urlPath); ; prefix = path.Dir(prefix) {
		if value, ok = t.prefixes[prefix]; ok || prefix == "/" {
			return value, ok
		}
	}
}
