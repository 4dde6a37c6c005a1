package query

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/sohost/sohost/abi"
)

// column is a column while an answer is read. A value is a json.Number, string or bool, or nil if the row has none.
type column struct {
	name   string
	kind   abi.Kind // 0: what the values are
	values []any
}

// typed returns the column with typed values. Times before 1677 and after 2262, which nanoseconds can't say, stay texts.
func (c *column) typed() abi.Column {
	kind := c.kind
	if kind == 0 {
		kind = kindOf(c.values)
	}
	if kind == abi.Time && slices.ContainsFunc(c.values, func(v any) bool { return v != nil && !isTime(v) }) {
		kind = abi.String
	}
	t := abi.Column{Name: c.name, Kind: kind}
	for i, v := range c.values {
		if v == nil {
			if t.Absent == nil {
				t.Absent = make([]uint64, (len(c.values)+63)/64)
			}
			t.Absent[i/64] |= 1 << (i % 64)
		}
		add(&t, v)
	}
	return t
}

// add adds a value to a column, whose kind it has.
func add(t *abi.Column, v any) {
	text := ""
	if v != nil {
		text = fmt.Sprint(v)
	}
	switch t.Kind {
	case abi.Int:
		n, _ := strconv.ParseInt(text, 10, 64)
		t.Ints = append(t.Ints, n)
	case abi.Uint:
		n, _ := strconv.ParseUint(text, 10, 64)
		t.Uints = append(t.Uints, n)
	case abi.Float:
		n, _ := strconv.ParseFloat(text, 64)
		t.Floats = append(t.Floats, n)
	case abi.Bool:
		t.Bools = append(t.Bools, text == "true")
	case abi.Time:
		n, _ := nanoseconds(text)
		t.Ints = append(t.Ints, n)
	default:
		t.Strings = append(t.Strings, text)
	}
}

// kindOf returns the narrowest kind that all values have.
func kindOf(values []any) abi.Kind {
	fits := map[abi.Kind]bool{abi.Time: true, abi.Int: true, abi.Uint: true, abi.Float: true, abi.Bool: true}
	some := false
	for _, v := range values {
		if v == nil {
			continue
		}
		some = true
		number, isNumber := v.(json.Number)
		text, isText := v.(string)
		_, isBool := v.(bool)
		_, notInt := strconv.ParseInt(string(number), 10, 64)
		_, notUint := strconv.ParseUint(string(number), 10, 64)
		_, isTime := timeOf(text)
		for kind, is := range map[abi.Kind]bool{
			abi.Time: isText && isTime, abi.Int: isNumber && notInt == nil, abi.Uint: isNumber && notUint == nil, abi.Float: isNumber, abi.Bool: isBool,
		} {
			fits[kind] = fits[kind] && is
		}
	}
	for _, kind := range []abi.Kind{abi.Time, abi.Int, abi.Uint, abi.Float, abi.Bool} {
		if some && fits[kind] {
			return kind
		}
	}
	return abi.String
}

// timeOf returns a time as nanoseconds since 1970: SQL's answers have it in UTC without a zone, others with one.
func timeOf(text string) (int64, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if at, err := time.Parse(layout, text); err == nil {
			n := at.UnixNano()
			return n, time.Unix(0, n).Equal(at)
		}
	}
	return 0, false
}

// nanoseconds returns a value of a column that has times, which may be such a number already.
func nanoseconds(text string) (int64, bool) {
	if n, is := timeOf(text); is {
		return n, true
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

func isTime(v any) bool {
	_, is := nanoseconds(fmt.Sprint(v))
	return is
}

// columns are those of one table while it is read, in the order in which they first came.
type columns struct {
	rows int
	all  []*column
	at   map[string]*column
}

// set sets a value of the last row, or replaces it: an answer may name a column twice. Rows before it that lack it have none.
func (cs *columns) set(name string, v any) {
	if cs.at == nil {
		cs.at = map[string]*column{}
	}
	c := cs.at[name]
	if c == nil {
		c = &column{name: name}
		cs.at[name] = c
		cs.all = append(cs.all, c)
	}
	for len(c.values) < cs.rows-1 {
		c.values = append(c.values, nil)
	}
	c.values = append(c.values[:cs.rows-1], v)
}

// setAs is set for a column of a kind.
func (cs *columns) setAs(kind abi.Kind, name string, v any) {
	cs.set(name, v)
	cs.at[name].kind = kind
}

// table returns the table.
func (cs *columns) table(name string) abi.Table {
	t := abi.Table{Name: name}
	for _, c := range cs.all {
		for len(c.values) < cs.rows {
			c.values = append(c.values, nil)
		}
		t.Columns = append(t.Columns, c.typed())
	}
	return t
}
