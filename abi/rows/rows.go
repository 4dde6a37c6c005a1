// Package rows reads and makes tables of package abi. It is compiled into the plugin and is not part of the contract, so plugins with
// different versions of it can be loaded side by side.
//
// A handler that reads:
//
//	for _, t := range b.Tables {
//		usage, host := rows.Find(&t, "usage"), rows.Find(&t, "host")
//		for i := range rows.Len(&t) {
//			if v, ok := rows.Float(usage, i); ok {
//				sum[rows.Text(host, i)] += v
//			}
//		}
//	}
//
// And one that emits:
//
//	var out rows.Builder
//	for host, v := range sum {
//		out.Row("cpu_1m").Tag("host", host).Float("usage", v).At(t.Due)
//	}
//	return host.Emit(ctx, out.Tables())
package rows

import (
	"strconv"
	"time"

	"github.com/sohost/sohost/abi"
)

// Len returns how many rows a table has.
func Len(t *abi.Table) int {
	if t.Times != nil || len(t.Columns) == 0 {
		return len(t.Times)
	}
	return lenOf(&t.Columns[0])
}

func lenOf(c *abi.Column) int {
	switch c.Kind {
	case abi.Tag, abi.String:
		return len(c.Strings)
	case abi.Int, abi.Time:
		return len(c.Ints)
	case abi.Uint:
		return len(c.Uints)
	case abi.Float:
		return len(c.Floats)
	case abi.Bool:
		return len(c.Bools)
	}
	return 0
}

// Find returns the column of a name, or nil if the table has none. All functions that take a column take nil for one without values.
func Find(t *abi.Table, name string) *abi.Column {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// Has reports whether a row has a value in a column.
func Has(c *abi.Column, row int) bool {
	return c != nil && (c.Absent == nil || c.Absent[row/64]>>(row%64)&1 == 0)
}

// Float returns a row's value as a number. There is none if the row has no value, or one that isn't a number. An integer beyond 2^53 loses its
// last digits.
func Float(c *abi.Column, row int) (v float64, ok bool) {
	if !Has(c, row) {
		return 0, false
	}
	switch c.Kind {
	case abi.Float:
		return c.Floats[row], true
	case abi.Int, abi.Time:
		return float64(c.Ints[row]), true
	case abi.Uint:
		return float64(c.Uints[row]), true
	}
	return 0, false
}

// Text returns a row's value as text, numbers and booleans as package strconv writes them, times as RFC 3339. Without a value it returns "".
func Text(c *abi.Column, row int) string {
	if !Has(c, row) {
		return ""
	}
	switch c.Kind {
	case abi.Tag, abi.String:
		return c.Strings[row]
	case abi.Float:
		return strconv.FormatFloat(c.Floats[row], 'g', -1, 64)
	case abi.Int:
		return strconv.FormatInt(c.Ints[row], 10)
	case abi.Uint:
		return strconv.FormatUint(c.Uints[row], 10)
	case abi.Bool:
		return strconv.FormatBool(c.Bools[row])
	case abi.Time:
		return time.Unix(0, c.Ints[row]).UTC().Format(time.RFC3339Nano)
	}
	return ""
}

// Value returns a row's value as an int64, uint64, float64, bool, string or time.Time, or nil without one.
func Value(c *abi.Column, row int) any {
	if !Has(c, row) {
		return nil
	}
	switch c.Kind {
	case abi.Tag, abi.String:
		return c.Strings[row]
	case abi.Float:
		return c.Floats[row]
	case abi.Int:
		return c.Ints[row]
	case abi.Uint:
		return c.Uints[row]
	case abi.Bool:
		return c.Bools[row]
	case abi.Time:
		return time.Unix(0, c.Ints[row]).UTC()
	}
	return nil
}

// Time returns a row's time, or the zero time if the table has none.
func Time(t *abi.Table, row int) time.Time {
	if t.Times == nil {
		return time.Time{}
	}
	return time.Unix(0, t.Times[row]).UTC()
}
