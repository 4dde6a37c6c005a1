package lineprotocol

import (
	"slices"
	"strings"
	"time"

	"github.com/ClusterCockpit/cc-line-protocol/v2/lineprotocol"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/rows"
)

// Append appends the rows of tables to a text, each as a line with its time in nanoseconds, or with none. Line protocol has no words for infinite
// numbers, texts with invalid UTF-8, names that are empty or have control characters, and rows without fields: such values and rows are left
// out, and skipped counts the rows that lack something.
func Append(text []byte, tables []abi.Table) (_ []byte, skipped int) {
	for i := range tables {
		n := 0
		text, n = appendTable(text, &tables[i])
		skipped += n
	}
	return text, skipped
}

func appendTable(text []byte, t *abi.Table) (_ []byte, skipped int) {
	var e lineprotocol.Encoder
	tags, fields := columns(t)
	for row := range rows.Len(t) {
		e.SetBuffer(text)
		e.StartLine(t.Name)
		for _, c := range tags {
			if v := rows.Text(c, row); v != "" && rows.Has(c, row) {
				e.AddTag(c.Name, v)
			}
		}
		complete, some := true, false
		for _, c := range fields {
			if !rows.Has(c, row) {
				continue
			}
			v, ok := value(c, row)
			if complete = complete && ok; ok {
				e.AddField(c.Name, v)
				some = true
			}
		}
		if !complete || !some {
			skipped++
		}
		if !some {
			continue // what was begun is overwritten
		}
		if t.Times != nil {
			e.EndLine(time.Unix(0, t.Times[row]))
		}
		if e.Err() != nil {
			skipped++
			continue
		}
		text = e.Bytes()
		if t.Times == nil {
			text = append(text, '\n')
		}
	}
	return text, skipped
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
		return lineprotocol.StringValue(c.Strings[row])
	}
	return lineprotocol.Value{}, false
}
