package main

import (
	"cmp"
	"context"
	"slices"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/rows"
)

// result is a cell that is to be emitted.
type result struct {
	cellKey
	cell
	detail
}

// HandleSchedule emits the windows that have ended and changed since they were emitted last. If they can't be stored they are emitted the
// next time.
func (d *downsample) HandleSchedule(ctx context.Context, t abi.Tick) error {
	due := t.Due.UnixNano()
	results := d.take(due)
	if tables := d.tables(results); len(tables) > 0 {
		if err := d.host.Emit(ctx, tables); err != nil {
			d.giveBack(results)
			return err
		}
	}
	d.forget(due - int64(d.settings.late))
	return nil
}

// take returns the cells of windows that ended until due and have changed, and notes them as emitted.
func (d *downsample) take(due int64) (results []result) {
	d.mu.Lock()
	defer d.mu.Unlock()
	cells := &d.State().Cells
	for key, c := range cells.All() {
		if c.Changed && key.end() <= due {
			more, _ := d.State().Details.Get(key)
			results = append(results, result{key, c, more})
			c.Changed = false
			cells.Set(key, c)
		}
	}
	return results
}

// giveBack notes that cells were not emitted.
func (d *downsample) giveBack(results []result) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range results {
		d.State().Cells.Update(r.cellKey, func(c cell, ok bool) cell {
			if !ok { // forgotten by another call meanwhile
				c = r.cell
				d.State().Details.Set(r.cellKey, r.detail)
			}
			c.Changed = true
			return c
		})
	}
}

// forget removes the windows that ended until then. They take no more rows.
func (d *downsample) forget(until int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.State()
	if until <= s.Gone {
		return
	}
	for key, c := range s.Cells.All() {
		if !c.Changed && key.end() <= until {
			s.Cells.Delete(key)
			s.Details.Delete(key)
		}
	}
	window := int64(d.settings.window)
	for key := range s.Points.All() {
		if key.Time-(key.Time%window+window)%window+window <= until {
			s.Points.Delete(key)
		}
	}
	s.Gone = until
}

// figure is a result of a calculation, on its way into a column.
type figure struct {
	of     result
	column string
	number
}

// tables makes one row of the cells of each series and window.
func (d *downsample) tables(results []result) []abi.Table {
	slices.SortFunc(results, func(a, b result) int {
		return cmp.Or(cmp.Compare(a.Series, b.Series), cmp.Compare(a.Start, b.Start), cmp.Compare(a.Window, b.Window), cmp.Compare(a.Field, b.Field))
	})
	figures, mixed := d.figures(results)
	var out rows.Builder
	var row *rows.Row
	for i, f := range figures {
		if i == 0 || f.of.Series != figures[i-1].of.Series || f.of.Start != figures[i-1].of.Start || f.of.Window != figures[i-1].of.Window {
			name := parts(f.of.Series)
			row = out.Row(name[0] + d.settings.suffixOf(f.of.Window)).AtNano(f.of.Start)
			for tag := 1; tag < len(name); tag += 2 {
				row.Tag(name[tag], name[tag+1])
			}
		}
		if f.Whole && !mixed[columnOf(f)] {
			row.Int(f.column, f.Int)
		} else {
			row.Float(f.column, f.float())
		}
	}
	return out.Tables()
}

// figures computes what the rows have, and finds the columns in which some series have integers and others don't: a column has one kind.
func (d *downsample) figures(results []result) (figures []figure, mixed map[[2]string]bool) {
	mixed = map[[2]string]bool{}
	for _, r := range results {
		for _, name := range d.settings.calculations {
			c, _ := calculationOf(name)
			n, is := c.result(r)
			if !is {
				continue
			}
			f := figure{r, r.Field + "_" + name, n}
			figures = append(figures, f)
			mixed[columnOf(f)] = mixed[columnOf(f)] || !n.Whole
		}
	}
	return figures, mixed
}

func columnOf(f figure) [2]string { return [2]string{parts(f.of.Series)[0], f.column} }
