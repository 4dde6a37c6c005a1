// Package routes maps URL paths to values. A route is a path prefix of whole segments; the longest one that covers a
// path wins. A route may have a note besides its value.
package routes

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// Table finds values by name and by route, and notes of type N by route. It is immutable, so readers take no lock: With returns a new
// table. The zero Table is empty.
type Table[T, N any] struct {
	names    map[string]T
	prefixes map[string]noted[T, N]
	all      []T // by name
}

type noted[T, N any] struct {
	value T
	note  N
}

// With returns the table with one more value. Routes must be as Clean returns them; they have no notes. A name or route that is taken
// already now has the new value.
func (t *Table[T, N]) With(name string, routes []string, value T) *Table[T, N] {
	next := t.clone()
	next.names[name] = value
	for _, r := range routes {
		next.prefixes[r] = noted[T, N]{value: value}
	}
	next.order()
	return next
}

// WithRoute returns the table with one more route, or with another note for one.
func (t *Table[T, N]) WithRoute(route string, value T, note N) *Table[T, N] {
	next := t.clone()
	next.prefixes[route] = noted[T, N]{value, note}
	return next
}

// Without returns a copy of the table without the value with that name, if that isn't empty, and without those routes.
func (t *Table[T, N]) Without(name string, routes []string) *Table[T, N] {
	next := t.clone()
	delete(next.names, name)
	for _, r := range routes {
		delete(next.prefixes, r)
	}
	next.order()
	return next
}

func (t *Table[T, N]) clone() *Table[T, N] {
	next := &Table[T, N]{names: maps.Clone(t.names), prefixes: maps.Clone(t.prefixes), all: t.all}
	if next.names == nil {
		next.names, next.prefixes = map[string]T{}, map[string]noted[T, N]{}
	}
	return next
}

// Named returns the value with that name.
func (t *Table[T, N]) Named(name string) (value T, ok bool) {
	value, ok = t.names[name]
	return value, ok
}

// At returns the value with exactly that route.
func (t *Table[T, N]) At(route string) (value T, ok bool) {
	found, ok := t.prefixes[route]
	return found.value, ok
}

// Names returns all names, sorted.
func (t *Table[T, N]) Names() []string { return slices.Sorted(maps.Keys(t.names)) }

// All returns all values, ordered by name.
func (t *Table[T, N]) All() []T { return slices.Clone(t.all) }

// order sets all by names.
func (t *Table[T, N]) order() {
	t.all = make([]T, 0, len(t.names))
	for _, name := range t.Names() {
		t.all = append(t.all, t.names[name])
	}
}

// Find returns the value with the longest route that covers the path, and that route's note. A route covers itself and everything below it.
// Find doesn't allocate if the path is clean.
func (t *Table[T, N]) Find(urlPath string) (value T, note N, ok bool) {
	if !strings.HasPrefix(urlPath, "/") { // as in OPTIONS *
		urlPath = "/" + urlPath
	}
	for prefix := path.Clean(urlPath); ; prefix = path.Dir(prefix) {
		if found, ok := t.prefixes[prefix]; ok || prefix == "/" {
			return found.value, found.note, ok
		}
	}
}
