package rows

import (
	"fmt"

	"github.com/sohost/sohost/abi"
)

// column returns the column for a value of this row, without one for it yet, or nil after an error.
func (r *Row) column(name string, k abi.Kind) *abi.Column {
	t := r.table
	i, ok := t.next, t.next < len(t.Columns) && t.Columns[t.next].Name == name
	if !ok {
		i, ok = t.columns[name]
	}
	if !ok {
		i = len(t.Columns)
		if !r.builder.take(columnPlaces + t.rows + 1) {
			r.err = ErrSparse
			return nil
		}
		t.Columns = append(t.Columns, r.builder.column(name, k))
		t.columns[name] = i
	}
	t.next = i + 1
	c := &t.Columns[i]
	if c.Kind != k {
		r.err = &KindError{t.Name, name, c.Kind, k}
		return nil
	}
	if n := lenOf(c); n < t.rows {
		pad(c, t.rows)
		t.gaps = true
	} else if n > t.rows {
		r.err = fmt.Errorf("column %s of table %s has two values in one row", name, t.Name)
		return nil
	}
	r.touched = append(r.touched, i)
	return c
}

// column returns a new column.
func (b *Builder) column(name string, k abi.Kind) abi.Column {
	c := abi.Column{Name: name, Kind: k}
	if b.grow.columns <= 0 {
		return c
	}
	b.grow.columns--
	n := b.room()
	switch k {
	case abi.Tag, abi.String:
		c.Strings = make([]string, 0, n)
	case abi.Int, abi.Time:
		c.Ints = make([]int64, 0, n)
	case abi.Uint:
		c.Uints = make([]uint64, 0, n)
	case abi.Float:
		c.Floats = make([]float64, 0, n)
	case abi.Bool:
		c.Bools = make([]bool, 0, n)
	}
	return c
}

// pad makes a column n rows long by absent values.
func pad(c *abi.Column, n int) {
	for i := lenOf(c); i < n; i++ {
		for len(c.Absent) <= i/64 {
			c.Absent = append(c.Absent, 0)
		}
		c.Absent[i/64] |= 1 << (i % 64)
		switch c.Kind {
		case abi.Tag, abi.String:
			c.Strings = append(c.Strings, "")
		case abi.Int, abi.Time:
			c.Ints = append(c.Ints, 0)
		case abi.Uint:
			c.Uints = append(c.Uints, 0)
		case abi.Float:
			c.Floats = append(c.Floats, 0)
		case abi.Bool:
			c.Bools = append(c.Bools, false)
		}
	}
	for c.Absent != nil && len(c.Absent) <= (n-1)/64 {
		c.Absent = append(c.Absent, 0)
	}
}

// truncate makes a column at most n rows long.
func truncate(c *abi.Column, n int) {
	if lenOf(c) <= n {
		return
	}
	switch c.Kind {
	case abi.Tag, abi.String:
		c.Strings = c.Strings[:n]
	case abi.Int, abi.Time:
		c.Ints = c.Ints[:n]
	case abi.Uint:
		c.Uints = c.Uints[:n]
	case abi.Float:
		c.Floats = c.Floats[:n]
	case abi.Bool:
		c.Bools = c.Bools[:n]
	}
	if len(c.Absent) > n/64 {
		c.Absent[n/64] &= 1<<(n%64) - 1
	}
}
