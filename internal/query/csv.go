package query

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sohost/sohost/abi"
)

// annotated reads an answer to Flux: CSV with lines that say of what type each column is, whether tables are grouped by it, and its default.
type annotated struct {
	types, groups, defaults, header []string

	cs     columns
	number string // of the table
	tables []abi.Table
}

func readAnnotated(body []byte) ([]abi.Table, error) {
	r := csv.NewReader(bytes.NewReader(body))
	r.FieldsPerRecord = -1
	a := annotated{}
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			a.end()
			return a.tables, nil
		}
		if err == nil {
			err = a.read(record)
		}
		if err != nil {
			return nil, err
		}
	}
}

// read reads one line.
func (a *annotated) read(record []string) error {
	switch {
	case strings.HasPrefix(record[0], "#"):
		if a.header != nil { // of another schema
			a.end()
			*a = annotated{tables: a.tables}
		}
		switch record[0] {
		case "#datatype":
			a.types = record
		case "#group":
			a.groups = record
		case "#default":
			a.defaults = record
		}
		return nil
	case a.header == nil:
		a.header = record
		return nil
	case slices.Contains(a.header, "error") && slices.Contains(a.header, "reference"):
		return fmt.Errorf("it answers: %s; correct the query", a.of(record, slices.Index(a.header, "error")))
	}
	return a.row(record)
}

// row reads a row of a table.
func (a *annotated) row(record []string) error {
	if len(record) != len(a.header) || len(a.types) != len(a.header) {
		return fmt.Errorf("the answer can't be read: a row has %d columns, its table %d", len(record), len(a.header))
	}
	if number := a.of(record, slices.Index(a.header, "table")); number != a.number || a.cs.rows == 0 {
		a.end()
		a.number = number
	}
	a.cs.rows++
	for i := 1; i < len(record); i++ {
		var v any
		if text := a.of(record, i); text != "" {
			v = text
		}
		a.cs.setAs(a.kind(i), a.header[i], v)
	}
	return nil
}

// of returns a field, or its default.
func (a *annotated) of(record []string, i int) string {
	if i < 0 || i >= len(record) {
		return ""
	}
	if record[i] == "" && i < len(a.defaults) {
		return a.defaults[i]
	}
	return record[i]
}

func (a *annotated) kind(i int) abi.Kind {
	switch name := a.types[i]; {
	case name == "long":
		return abi.Int
	case name == "unsignedLong":
		return abi.Uint
	case name == "double":
		return abi.Float
	case name == "boolean":
		return abi.Bool
	case strings.HasPrefix(name, "dateTime"):
		return abi.Time
	case name == "string" && i < len(a.groups) && a.groups[i] == "true" && !strings.HasPrefix(a.header[i], "_"):
		return abi.Tag
	}
	return abi.String
}

// end ends a table. It has the name of its measurement, or else of its result.
func (a *annotated) end() {
	if a.cs.rows == 0 {
		return
	}
	name := ""
	for _, of := range []string{"result", "_measurement"} {
		if c := a.cs.at[of]; c != nil && c.values[0] != nil {
			name = fmt.Sprint(c.values[0])
		}
	}
	a.cs.all = slices.DeleteFunc(a.cs.all, func(c *column) bool { return c.name == "result" || c.name == "table" })
	a.tables = append(a.tables, a.cs.table(name))
	a.cs = columns{}
}
