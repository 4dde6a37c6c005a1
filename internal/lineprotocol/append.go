package lineprotocol

import (
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/rows"
)

// Each calls line for each row of tables: with a line, which has the row's time in nanoseconds, or none, and ends with a newline. The line
// is valid until the call returns. Line protocol has no words for infinite numbers, texts with invalid UTF-8, names that are empty, have
// control characters or end with a backslash, tables whose name begins like a comment, and rows without fields: such values and rows are
// left out, and lacking counts the rows that lack something.
func Each(tables []abi.Table, line func(line []byte)) (lacking int) {
	var e encoder
	for i := range tables {
		t := &tables[i]
		if strings.HasPrefix(t.Name, "#") { // whoever reads the line would take it for a comment
			lacking += rows.Len(t)
			continue
		}
		e.tags, e.fields = columns(t)
		e.quick = e.named(t)
		for row := range rows.Len(t) {
			written, complete := e.row(t, row)
			if written {
				line(e.line)
			}
			if !complete {
				lacking++
			}
		}
	}
	return lacking
}

// Append appends the rows of tables to a text, as Each has them.
func Append(text []byte, tables []abi.Table) (_ []byte, lacking int) {
	lacking = Each(tables, func(line []byte) { text = append(text, line...) })
	return text, lacking
}

// encoder writes lines.
type encoder struct {
	lineprotocol.Encoder
	tags, fields []*abi.Column
	line         []byte
	quick        bool // nothing needs escapes in the names of the table and its columns
}

// row writes a row, if it can be written at all.
func (e *encoder) row(t *abi.Table, row int) (written, complete bool) {
	if e.quick {
		if written, complete, ok := e.plain(t, row); ok {
			return written, complete
		}
	}
	e.SetBuffer(e.line[:0])
	e.StartLine(t.Name)
	for _, c := range e.tags {
		if v := rows.Text(c, row); v != "" {
			e.AddTag(c.Name, v)
		}
	}
	complete = true
	for _, c := range e.fields {
		if !rows.Has(c, row) {
			continue
		}
		v, ok := value(c, row)
		if complete = complete && ok; ok {
			e.AddField(c.Name, v)
			written = true
		}
	}
	if !written {
		return false, false
	}
	if t.Times != nil {
		e.EndLine(time.Unix(0, t.Times[row]))
	}
	if e.Err() != nil {
		return false, false
	}
	if e.line = e.Bytes(); t.Times == nil {
		e.line = append(e.line, '\n')
	}
	return true, complete
}

// columns returns the tags, sorted as InfluxDB wants them, and the fields.
func columns(t *abi.Table) (tags, fields []*abi.Column) {
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Kind == abi.Tag {
			tags = append(tags, c)
		} else {
			fields = append(fields, c)
		}
	}
	slices.SortFunc(tags, func(a, b *abi.Column) int { return strings.Compare(a.Name, b.Name) })
	return tags, fields
}

// value returns a field's value. There is none for one that line protocol can't express.
func value(c *abi.Column, row int) (lineprotocol.Value, bool) {
	switch c.Kind {
	case abi.Float:
		return lineprotocol.FloatValue(c.Floats[row])
	case abi.Int, abi.Time:
		return lineprotocol.IntValue(c.Ints[row]), true
	case abi.Uint:
		return lineprotocol.UintValue(c.Uints[row]), true
	case abi.Bool:
		return lineprotocol.BoolValue(c.Bools[row]), true
	case abi.String:
		s := c.Strings[row]
		v, err := lineprotocol.NewValueFromBytes(lineprotocol.String, unsafe.Slice(unsafe.StringData(s), len(s))) // which only reads it
		return v, err == nil
	}
	return lineprotocol.Value{}, false
}
