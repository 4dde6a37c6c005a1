// Package routes maps URL paths to values. A route is a path prefix of whole segments; the longest one that covers a
// path wins.
package routes

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// Table finds values by name and by route. It is immutable, so readers take no lock: With returns a new table. The zero
// Table is empty.
type Table[T any] struct {
	names    map[string]T
	prefixes map[string]T
}

// With returns the table with one more value. Routes must be clean absolute paths. A name or route that is taken
// already now has the new value.
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

// Without returns a copy of the table without the value with that name, which has those routes.
func (t *Table[T]) Without(name string, routes []string) *Table[T] {
	next := &Table[T]{names: maps.Clone(t.names), prefixes: maps.Clone(t.prefixes)}
	delete(next.names, name)
	for _, r := range routes {
		delete(next.prefixes, r)
	}
	return next
}

// Named returns the value with that name.
func (t *Table[T]) Named(name string) (value T, ok bool) {
	value, ok = t.names[name]
	return value, ok
}

// At returns the value with exactly that route.
func (t *Table[T]) At(route string) (value T, ok bool) {
	value, ok = t.prefixes[route]
	return value, ok
}

// Names returns all names, sorted.
func (t *Table[T]) Names() []string { return slices.Sorted(maps.Keys(t.names)) }

// All returns all values, ordered by name.
func (t *Table[T]) All() []T {
	all := make([]T, 0, len(t.names))
	for _, name := range t.Names() {
		all = append(all, t.names[name])
	}
	return all
}

// Find returns the value with the longest route that covers the path. A route covers itself and everything below it.
// Find doesn't allocate if the path is clean.
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
