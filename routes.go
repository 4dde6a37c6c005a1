package sohost

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// index finds plugins, for each call. It is immutable, so that callers take no lock: a new plugin makes a new index.
type index struct {
	names    map[string]*plugin
	prefixes map[string]*plugin
}

// with is the index with one more plugin.
func (x *index) with(p *plugin) *index {
	next := &index{names: maps.Clone(x.names), prefixes: maps.Clone(x.prefixes)}
	next.names[p.name] = p
	for _, r := range p.Routes {
		next.prefixes[r] = p
	}
	return next
}

// sorted lists the plugins in the order of their names.
func (x *index) sorted() []*plugin { return slices.SortedFunc(maps.Values(x.names), byName) }

// find returns the plugin with the longest prefix of the path, whole segments only.
func (x *index) find(urlPath string) *plugin {
	if !strings.HasPrefix(urlPath, "/") { // as in OPTIONS *
		urlPath = "/" + urlPath
	}
	for prefix := path.Clean(urlPath); ; prefix = path.Dir(prefix) {
		if p, ok := x.prefixes[prefix]; ok {
			return p
		}
		if prefix == "/" {
			return nil
		}
	}
}
