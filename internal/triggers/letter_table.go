package triggers

import (
	"encoding/json"
	"math"
	"strconv"

	"github.com/sohost/sohost/abi"
)

// table is an abi.Table in JSON. Numbers that JSON doesn't have, as NaN, are strings.
type table abi.Table

type jsonTable struct {
	Name    string       `json:"name"`
	Times   []int64      `json:"times,omitempty"`
	Columns []jsonColumn `json:"columns"`
}

type jsonColumn struct {
	Name    string      `json:"name"`
	Kind    abi.Kind    `json:"kind"`
	Ints    []int64     `json:"ints,omitempty"`
	Uints   []uint64    `json:"uints,omitempty"`
	Floats  []jsonFloat `json:"floats,omitempty"`
	Bools   []bool      `json:"bools,omitempty"`
	Strings []string    `json:"strings,omitempty"`
	Absent  []uint64    `json:"absent,omitempty"`
}

type jsonFloat float64

func (f jsonFloat) MarshalJSON() ([]byte, error) {
	text := strconv.FormatFloat(float64(f), 'g', -1, 64)
	if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
		text = strconv.Quote(text)
	}
	return []byte(text), nil
}

func (f *jsonFloat) UnmarshalJSON(text []byte) error {
	if unquoted, err := strconv.Unquote(string(text)); err == nil {
		text = []byte(unquoted)
	}
	v, err := strconv.ParseFloat(string(text), 64)
	*f = jsonFloat(v)
	return err
}

// MarshalJSON writes the table.
func (t table) MarshalJSON() ([]byte, error) {
	out := jsonTable{Name: t.Name, Times: t.Times}
	for _, c := range t.Columns {
		j := jsonColumn{Name: c.Name, Kind: c.Kind, Ints: c.Ints, Uints: c.Uints, Bools: c.Bools, Strings: c.Strings, Absent: c.Absent}
		for _, f := range c.Floats {
			j.Floats = append(j.Floats, jsonFloat(f))
		}
		out.Columns = append(out.Columns, j)
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads the table.
func (t *table) UnmarshalJSON(text []byte) error {
	var in jsonTable
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*t = table{Name: in.Name, Times: in.Times}
	for _, j := range in.Columns {
		c := abi.Column{Name: j.Name, Kind: j.Kind, Ints: j.Ints, Uints: j.Uints, Bools: j.Bools, Strings: j.Strings, Absent: j.Absent}
		for _, f := range j.Floats {
			c.Floats = append(c.Floats, float64(f))
		}
		t.Columns = append(t.Columns, c)
	}
	return nil
}
