package abi

import "context"

// Table holds rows of one table, column by column. It is what a plugin receives in batches, what it emits, and what a query returns.
// Package abi/rows has the means to read one row by row, and to make one.
type Table struct {
	Name string

	// Times has the time of each row, in nanoseconds since 1970 UTC. It is nil for rows without a time: emitted rows then get the
	// time at which they are accepted, and a query's result has its times in columns.
	Times []int64

	Columns []Column
}

// Column holds the values of one column, one for each row of the table.
type Column struct {
	Name string
	Kind Kind

	// The values are in the slice that Kind names; the others are nil. A row without a value has an unspecified one there.
	Ints    []int64
	Uints   []uint64
	Floats  []float64
	Bools   []bool
	Strings []string

	// Absent has a bit for each row that has no value: of row i it is bit i%64 of word i/64. It is nil if every row has a value.
	Absent []uint64
}

// Kind is what a column holds.
type Kind uint8

// The kinds of columns.
const (
	Tag    Kind = 1 + iota // dimension of a row, in Strings
	Int                    // in Ints
	Uint                   // in Uints
	Float                  // in Floats
	Bool                   // in Bools
	String                 // in Strings
	Time                   // nanoseconds since 1970 UTC, in Ints; in results of queries only
)

// Query is a question to the database that the server is configured with.
type Query struct {
	// Database names a configured database or, if there is only one, a database or bucket there; empty is its configured one.
	Database string

	// Language is "sql", "influxql", "flux" or "promql"; empty is "promql" for a database that has no other, else "sql". A database
	// may lack some of them.
	Language string

	// Text is the query.
	Text string

	// Params are values for the $names in the text, of type string, int64, float64 or bool. Only databases that take parameters
	// can have any. PromQL has instead the time that it asks for, as "time", or the times from "start" to "end", "step" apart; each
	// in a form that Prometheus takes: seconds since 1970 UTC or RFC 3339, and for step a duration such as "1m" or seconds.
	Params map[string]any
}

// Storer is what a Host does with rows.
type Storer interface {
	// Emit hands rows to the server for storing. It blocks until each place that the server stores rows in has accepted them, or ctx
	// ends. If there is no such place, or one can't take the rows, it returns an error; the other places may have accepted them
	// nevertheless. Emitting the same rows again is safe where rows of the same time and tags are one, as for InfluxDB. The
	// caller may use the tables again.
	Emit(ctx context.Context, tables []Table) error

	// Query asks the database that the server is configured with, and returns the result: one table for SQL, one for each metric for
	// PromQL, one for each series or group otherwise. The caller owns it. An error says whether the question or the database is the
	// reason; nothing is asked twice. Without such a database it returns an error.
	Query(ctx context.Context, q Query) ([]Table, error)
}
