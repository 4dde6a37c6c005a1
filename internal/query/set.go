package query

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sohost/sohost/abi"
)

// Set is the databases of a server by their names in its configuration.
type Set map[string]*Client

// NewSet returns clients of databases whose options have no fault.
func NewSet(all map[string]Options) Set {
	s := Set{}
	for name, o := range all {
		s[name] = New(o)
	}
	return s
}

// Query asks the database that the question names. It names one by its name in the configuration. With a single one, any other name is
// that of a database or bucket there.
func (s Set) Query(ctx context.Context, q abi.Query) ([]abi.Table, error) {
	c := s[q.Database]
	switch {
	case c != nil:
		q.Database = ""
	case len(s) == 1:
		for _, c = range s {
		}
	default:
		return nil, fmt.Errorf("query: no database %q: set Database to %s", q.Database, strings.Join(slices.Sorted(maps.Keys(s)), " or "))
	}
	return c.Query(ctx, q)
}

// Close closes the connections that no question uses.
func (s Set) Close() {
	for _, c := range s {
		c.Close()
	}
}
