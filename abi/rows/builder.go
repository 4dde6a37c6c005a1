package rows

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/sohost/sohost/abi"
)

// Builder makes tables row by row. Its zero value is empty and ready to use. It is for one goroutine.
type Builder struct {
	tables []*table
	byName map[string]*table
	last   *table // the one of the last row
	row    Row
	grow   struct{ rows, columns int }
	grown  int // places that were made ahead; see Grow
	places int // that all tables take; see Limit
	limit  int // of places; 0 for none
}

// table is one that is being made.
type table struct {
	abi.Table
	rows    int // complete ones
	columns map[string]int
	timed   bool // some row has a time
	gaps    bool // some row lacks a value
	refused bool // there is no room for it: it is none of the builder's
	next    int  // the column that probably comes next, since most rows have the same ones
}

// Row is the last row of a Builder. Its methods return it, so that calls can be chained. A row ends where the next one begins.
type Row struct {
	builder *Builder
	table   *table
	before  int   // how many columns the table had
	touched []int // the columns that have a value of the row
	err     error
}

// KindError is the error of a row that has a value of another kind than an earlier row of its table in the same column.
type KindError struct {
	Table, Column string
	Have, Got     abi.Kind
}

func (e *KindError) Error() string {
	return fmt.Sprintf("column %s of table %s holds a %s, and is %s in another row", e.Column, e.Table, KindName(e.Got), KindName(e.Have))
}

// KindName returns a kind in words, such as "float".
func KindName(k abi.Kind) string {
	names := [...]string{"unknown", "tag", "int", "uint", "float", "bool", "string", "time"}
	if int(k) >= len(names) {
		k = 0
	}
	return names[k]
}

// noTime marks a row that has no time yet.
const noTime = math.MinInt64

// Grow has the next so many columns that are new, and their tables, begin with room for that many rows. It saves to move what they hold as
// they grow. What is made so, for rows that may never come, has its bound in Limit, too.
func (b *Builder) Grow(rows, columns int) { b.grow.rows, b.grow.columns = rows, columns }

// room returns for how many rows what is new has room.
func (b *Builder) room() int {
	n := b.grow.rows
	if b.limit > 0 && n > b.limit-b.grown {
		n = b.limit - b.grown
	}
	b.grown += n
	return n
}

// ErrSparse is the error of a row that a limit has no room for.
var ErrSparse = errors.New("there are too many tables, columns, or rows without values in them")

// A table and a column take about as much memory as this many values.
const (
	tablePlaces  = 32
	columnPlaces = 16
)

// Limit bounds the places that all tables take: a column has one for each row, also where that has no value, and 16 more, and a table 32. A
// row that would exceed the bound, which it may by itself or by what is new with it, has an error.
func (b *Builder) Limit(places int) { b.limit = places }

// take counts places, or reports that they are too many.
func (b *Builder) take(places int) bool {
	if b.limit > 0 && b.places > b.limit-places {
		return false
	}
	b.places += places
	return true
}

// Row begins a row of a table. It has no time unless At gives it one.
func (b *Builder) Row(name string) *Row {
	b.end()
	if b.last != nil && b.last.Name == name {
		return b.begin(b.last)
	}
	return b.begin(b.find(name))
}

// RowOf is Row for a name in bytes, which it copies only if the table is new.
func (b *Builder) RowOf(name []byte) *Row {
	b.end()
	if b.last != nil && b.last.Name == string(name) {
		return b.begin(b.last)
	}
	if t, ok := b.byName[string(name)]; ok {
		return b.begin(t)
	}
	return b.begin(b.find(string(name)))
}

func (b *Builder) find(name string) *table {
	if t, ok := b.byName[name]; ok {
		return t
	}
	t := &table{Table: abi.Table{Name: name}, columns: map[string]int{}}
	if t.refused = !b.take(tablePlaces); t.refused {
		return t
	}
	if b.grow.columns > 0 {
		t.Times = make([]int64, 0, b.room())
	}
	if b.byName == nil {
		b.byName = map[string]*table{}
	}
	b.byName[name] = t
	b.tables = append(b.tables, t)
	return t
}

func (b *Builder) begin(t *table) *Row {
	b.last, t.next = t, 0
	t.Times = append(t.Times, noTime)
	b.row = Row{builder: b, table: t, before: len(t.Columns), touched: b.row.touched[:0]}
	if !b.take(len(t.Columns)) {
		b.places += len(t.Columns) // until it is dropped
		b.row.err = ErrSparse
	}
	if t.refused {
		b.row.err = ErrSparse
	}
	return &b.row
}

// end completes the last row: columns that it has no value in are longer by an absent one.
func (b *Builder) end() {
	t := b.row.table
	if t == nil {
		return
	}
	b.row.table = nil
	t.timed = t.timed || t.Times[t.rows] != noTime
	if t.gaps = t.gaps || len(b.row.touched) < len(t.Columns); t.gaps {
		for i := range t.Columns {
			pad(&t.Columns[i], t.rows+1)
		}
	}
	t.rows++
}

// Drop removes the row, as if it had never been begun.
func (r *Row) Drop() {
	t := r.table
	if t == nil {
		return
	}
	r.builder.places -= len(t.Columns) + (len(t.Columns)-r.before)*(t.rows+columnPlaces)
	for i := range t.Columns[r.before:] {
		delete(t.columns, t.Columns[r.before+i].Name)
	}
	t.Columns = t.Columns[:r.before]
	for _, i := range r.touched {
		if i < r.before {
			truncate(&t.Columns[i], t.rows)
		}
	}
	t.Times = t.Times[:t.rows]
	r.table, r.builder.row.table = nil, nil
}

// Err returns why a value of the row was left out, or nil: its column held values of another kind, or has one of this row already, or
// there are too many places.
func (r *Row) Err() error { return r.err }

// Next returns the name of the column in which earlier rows of the table have their next value, or "". What reads rows from text need not
// copy a name that is the same.
func (r *Row) Next() string {
	if t := r.table; t.next < len(t.Columns) {
		return t.Columns[t.next].Name
	}
	return ""
}

// At gives the row its time.
func (r *Row) At(t time.Time) *Row { return r.AtNano(t.UnixNano()) }

// AtNano gives the row its time, in nanoseconds since 1970 UTC.
func (r *Row) AtNano(ns int64) *Row {
	r.table.Times[r.table.rows] = ns
	return r
}

// Tag adds a tag.
func (r *Row) Tag(key, value string) *Row {
	if c := r.column(key, abi.Tag); c != nil {
		c.Strings = append(c.Strings, value)
	}
	return r
}

// String adds a field that holds a text.
func (r *Row) String(key, value string) *Row {
	if c := r.column(key, abi.String); c != nil {
		c.Strings = append(c.Strings, value)
	}
	return r
}

// Int adds a field that holds an integer.
func (r *Row) Int(key string, value int64) *Row {
	if c := r.column(key, abi.Int); c != nil {
		c.Ints = append(c.Ints, value)
	}
	return r
}

// Uint adds a field that holds an integer without a sign.
func (r *Row) Uint(key string, value uint64) *Row {
	if c := r.column(key, abi.Uint); c != nil {
		c.Uints = append(c.Uints, value)
	}
	return r
}

// Float adds a field that holds a number.
func (r *Row) Float(key string, value float64) *Row {
	if c := r.column(key, abi.Float); c != nil {
		c.Floats = append(c.Floats, value)
	}
	return r
}

// Bool adds a field that holds a boolean.
func (r *Row) Bool(key string, value bool) *Row {
	if c := r.column(key, abi.Bool); c != nil {
		c.Bools = append(c.Bools, value)
	}
	return r
}

// Rows returns how many rows there are.
func (b *Builder) Rows() (n int) {
	for _, t := range b.tables {
		n += len(t.Times)
	}
	return n
}

// Tables returns the tables, in the order in which their first rows came, without those that have no rows. Rows without a time get that of
// the call if others of the table have one. The Builder is empty then.
func (b *Builder) Tables() []abi.Table {
	b.end()
	made := make([]abi.Table, 0, len(b.tables))
	for _, t := range b.tables {
		if t.rows > 0 {
			made = append(made, t.finish())
		}
	}
	*b = Builder{}
	return made
}

func (t *table) finish() abi.Table {
	if t.timed {
		t.date(time.Now().UnixNano())
	} else {
		t.Times = nil
	}
	return t.Table
}

// date gives rows without a time this one.
func (t *table) date(now int64) {
	for i := range t.Times {
		if t.Times[i] == noTime {
			t.Times[i] = now
		}
	}
}
