// Statechange emits a row when a field of a series takes another value: what it was, what it is, and for how long it was that. It answers to
// InfluxData's state_change plugin, and leaves notifications to whoever reads the rows.
//
//	[plugin.statechange]
//	args    = { fields = "status", count = "2" }
//	trigger = [{ spec = "write:services" }]
//
// With count a value must come in that many rows one after the other before it counts, which hides a field that flaps.
package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/keep"
	"github.com/sohost/sohost/abi/rows"
)

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI:   abi.Version,
	New:   newStatechange,
	State: keep.Prototype[state](schema, 1),
	Args: []abi.Arg{
		{Name: "fields", Help: "the fields to watch, separated by spaces", Required: true},
		{Name: "count", Help: "how many rows one after the other must have a value before it counts", Type: abi.ArgInt, Default: "1"},
		{Name: "into", Help: "the table of the rows that are emitted", Default: "state_changes"},
	},
}

const schema = "statechange"

// state is what the next generation gets.
type state struct {
	Fields keep.Map[key, value]
}

// key names a field of a series. Tags has all tags in the order of their names.
type key struct {
	Database, Table, Tags, Field string
}

// value is what a field is, and what it may be about to become.
type value struct {
	Is     string
	Since  int64 // the time of its first row, in nanoseconds since 1970 UTC
	Next   string
	NextAt int64
	Times  int   // rows that had Next
	Newest int64 // the time of the newest row; rows that aren't newer are known
}

type statechange struct {
	keep.Of[state]
	host   abi.Host
	fields []string
	count  int
	into   string
	mu     sync.Mutex // held during a batch
}

var (
	_ abi.Stateful     = (*statechange)(nil)
	_ abi.BatchHandler = (*statechange)(nil)
)

func newStatechange(_ context.Context, host abi.Host) (abi.Instance, error) {
	args := host.Args()
	s := &statechange{Of: keep.New(schema, 1, &state{}), host: host, fields: strings.Fields(args["fields"]), count: 1, into: "state_changes"}
	if text, given := args["count"]; given {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("argument count = %q: want a number from 1 on", text)
		}
		s.count = n
	}
	if args["into"] != "" {
		s.into = args["into"]
	}
	return s, nil
}

// HandleBatch emits the changes that the rows of one write make, and notes them once that has succeeded. A batch that comes again makes
// the same rows, at the same times.
func (s *statechange) HandleBatch(ctx context.Context, b *abi.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	fields := map[key]value{}
	var out rows.Builder
	for i := range b.Tables {
		t := &b.Tables[i]
		if t.Name == s.into {
			continue // its own rows, if they come back
		}
		for _, name := range s.fields {
			if c := rows.Find(t, name); c != nil && c.Kind != abi.Tag {
				s.table(&out, fields, b.Database, t, c)
			}
		}
	}
	if out.Rows() > 0 {
		if err := s.host.Emit(ctx, out.Tables()); err != nil {
			return err
		}
	}
	for k, v := range fields {
		s.State().Fields.Set(k, v)
	}
	return nil
}

// table follows one field through the rows of a table. fields has what is new.
func (s *statechange) table(out *rows.Builder, fields map[key]value, database string, t *abi.Table, c *abi.Column) {
	for row, at := range t.Times {
		if !rows.Has(c, row) {
			continue
		}
		k := key{database, t.Name, tagsOf(t, row), c.Name}
		v, known := fields[k]
		if !known {
			v, known = s.State().Fields.Get(k)
		}
		is := rows.Text(c, row)
		if !known {
			fields[k] = value{Is: is, Since: at, Newest: at}
			continue
		}
		next, changed := v.after(is, at, s.count)
		if changed {
			s.emit(out, k, t, row, v, next)
		}
		fields[k] = next
	}
}

// after returns what a field is after one row more, and whether that is a change.
func (v value) after(is string, at int64, count int) (next value, changed bool) {
	if at <= v.Newest {
		return v, false
	}
	v.Newest = at
	switch {
	case is == v.Is:
		v.Next, v.Times = "", 0
		return v, false
	case v.Times > 0 && is == v.Next:
		v.Times++
	default:
		v.Next, v.NextAt, v.Times = is, at, 1
	}
	if v.Times < count {
		return v, false
	}
	return value{Is: is, Since: v.NextAt, Newest: at}, true
}

func (s *statechange) emit(out *rows.Builder, k key, t *abi.Table, row int, from, to value) {
	r := out.Row(s.into).Tag("table", k.Table).Tag("field", k.Field).AtNano(t.Times[row])
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Kind == abi.Tag && rows.Has(c, row) && c.Name != "table" && c.Name != "field" {
			r.Tag(c.Name, c.Strings[row])
		}
	}
	r.String("from", from.Is).String("to", to.Is).Float("seconds", time.Duration(to.Since-from.Since).Seconds())
}

// tagsOf returns the tags of a row as a text, in the order of their names.
func tagsOf(t *abi.Table, row int) string {
	tags := map[string]string{}
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Kind == abi.Tag && rows.Has(c, row) {
			tags[c.Name] = c.Strings[row]
		}
	}
	return fmt.Sprintf("%q", tags) // fmt orders the keys
}

func main() {}
