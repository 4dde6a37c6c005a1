package query

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/sohost/sohost/abi"
)

// measurement is the column by which version 3 tells the series of an answer to InfluxQL apart.
const measurement = "iox::measurement"

// readLines reads an answer of version 3: an object for each row. It is one table, or one for each measurement.
func readLines(body []byte) (tables []abi.Table, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	cs, name := columns{}, ""
	for {
		names, values, err := readRow(d)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("the answer can't be read: %w", err)
		}
		if i := slices.Index(names, measurement); i >= 0 {
			of := fmt.Sprint(values[i])
			if of != name && cs.rows > 0 {
				tables, cs = append(tables, cs.table(name)), columns{}
			}
			name = of
		}
		cs.rows++
		for i, n := range names {
			if n != measurement {
				cs.set(n, values[i])
			}
		}
	}
	return append(tables, cs.table(name)), nil
}

// readRow reads one object. Its keys keep their order, which a map would lose.
func readRow(d *json.Decoder) (names []string, values []any, err error) {
	t, err := d.Token()
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
	}()
	if t != json.Delim('{') {
		return nil, nil, fmt.Errorf("%v is no row", t)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, nil, err
		}
		var v any
		if err := d.Decode(&v); err != nil {
			return nil, nil, err
		}
		switch v.(type) {
		case nil, string, bool, json.Number:
		default: // a list or an object
			text, _ := json.Marshal(v)
			v = string(text)
		}
		names, values = append(names, fmt.Sprint(key)), append(values, v)
	}
	_, err = d.Token()
	return names, values, err
}

// unmarshal reads a value. Its numbers keep all their digits.
func unmarshal(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode(v)
}

// readSeries reads an answer of versions 1 and 2 to InfluxQL: a table for each series, with its tags as columns. Numbers become floats,
// because the answer has whole floats without a point.
func readSeries(body []byte) (tables []abi.Table, err error) {
	var answer struct {
		Error   string
		Results []struct {
			Error  string
			Series []struct {
				Name    string
				Tags    map[string]string
				Columns []string
				Values  [][]any
				Partial bool
			}
		}
	}
	if err := unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("the answer can't be read: %w", err)
	}
	for _, r := range answer.Results {
		if r.Error != "" {
			return nil, fmt.Errorf("it answers: %s; correct the query, or the name of the database", r.Error)
		}
		for _, s := range r.Series {
			if s.Partial {
				return nil, fmt.Errorf("%w: the database has cut it off; ask for less, with LIMIT for example", ErrLarge)
			}
			cs := columns{}
			for _, row := range s.Values {
				cs.rows++
				for _, tag := range slices.Sorted(maps.Keys(s.Tags)) {
					cs.set(tag, s.Tags[tag])
				}
				for i, name := range s.Columns[:min(len(s.Columns), len(row))] {
					cs.set(name, row[i])
				}
			}
			for _, c := range cs.all {
				c.kind = seriesKind(c, s.Tags)
			}
			tables = append(tables, cs.table(s.Name))
		}
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("it answers: %s", answer.Error)
	}
	return tables, nil
}

func seriesKind(c *column, tags map[string]string) abi.Kind {
	if _, is := tags[c.name]; is {
		return abi.Tag
	}
	switch kind := kindOf(c.values); {
	case c.name == "time":
		return abi.Time
	case kind == abi.Int || kind == abi.Uint:
		return abi.Float
	case kind == abi.Time: // the answer has times as numbers
		return abi.String
	default:
		return kind
	}
}
