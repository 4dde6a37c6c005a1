package main

import (
	"fmt"
	"slices"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/rows"
)

// table checks the rows of a table.
func (r *round) table(database string, t *abi.Table) {
	for row, at := range t.Times {
		key := seriesKey{database, t.Name, tagsOf(t, row)}
		s, known := r.seen[key]
		if !known {
			s, _ = r.State().Seen.Get(key)
		}
		if at > s.At {
			s = seen{At: at}
		}
		r.seen[key] = s
		for _, c := range r.settings.conditions {
			column := rows.Find(t, c.field)
			if column != nil && column.Kind != abi.Tag && rows.Has(column, row) {
				r.check(key, c, column, row, at)
			}
		}
	}
}

// check counts how often in a row a condition was met. Each time it was often enough, counting begins anew.
func (r *round) check(series seriesKey, c condition, column *abi.Column, row int, at int64) {
	key := checkKey{series, c.text}
	is, known := r.checks[key]
	if !known {
		is, known = r.State().Checks.Get(key)
	}
	if known && at <= is.Newest {
		return
	}
	is.Newest = at
	if c.met(column, row) {
		is.Times++
	} else {
		is.Times = 0
	}
	if is.Times >= r.settings.count {
		is.Times = 0
		number, _ := rows.Float(column, row)
		r.alert(series, c.level, c.field, number, at, fmt.Sprintf("%s is %s: %s", c.field, rows.Text(column, row), c.text))
	}
	r.checks[key] = is
}

// alert makes a row, unless the series had one of that level and field within the cool-down, and reports whether it has.
func (r *round) alert(series seriesKey, level, field string, value float64, at int64, text string) bool {
	cool := fmt.Sprintf("%q %s %s", series, level, field)
	if _, cooling := r.host.Cache().Get(cool); cooling || slices.Contains(r.cooled, cool) {
		return false
	}
	if r.settings.cooldown > 0 {
		r.cooled = append(r.cooled, cool)
	}
	r.out.Row(r.settings.into).Tag("table", series.Table).Tag("level", level).Tag("field", field).Tag("series", series.Tags).
		Float("value", value).String("text", text).AtNano(at)
	r.host.Logger().Warn("alert", "level", level, "table", series.Table, "series", series.Tags, "text", text)
	return true
}

// tagsOf returns the tags of a row as a text, in the order of their names.
func tagsOf(t *abi.Table, row int) string {
	var tags []string
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Kind == abi.Tag && rows.Has(c, row) {
			tags = append(tags, fmt.Sprintf("%s=%q", c.Name, c.Strings[row]))
		}
	}
	slices.Sort(tags)
	text := ""
	for _, tag := range tags {
		if text != "" {
			text += " "
		}
		text += tag
	}
	return text
}
