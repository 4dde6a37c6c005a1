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
}

// HandleSchedule emits the windows that have ended and changed since they were emitted last. If they can't be stored they are emitted the
// next time.
func (d *downsample) HandleSchedule(ctx context.Context, t abi.Tick) error {
	due := t.Due.UnixNano()
	results := d.take(due)
	if len(results) > 0 {
		if err := d.host.Emit(ctx, d.tables(results)); err != nil {
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
			results = append(results, result{key, c})
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

// tables makes one row of the cells of each series and window.
func (d *downsample) tables(results []result) []abi.Table {
	slices.SortFunc(results, func(a, b result) int {
		return cmp.Or(cmp.Compare(a.Series, b.Series), cmp.Compare(a.Start, b.Start), cmp.Compare(a.Window, b.Window), cmp.Compare(a.Field, b.Field))
	})
	mixed := d.mixed(results)
	var out rows.Builder
	var row *rows.Row
	for i, r := range results {
		if i == 0 || r.Series != results[i-1].Series || r.Start != results[i-1].Start || r.Window != results[i-1].Window {
			name := parts(r.Series)
			row = out.Row(name[0] + d.settings.suffixOf(r.Window)).AtNano(r.Start)
			for tag := 1; tag < len(name); tag += 2 {
				row.Tag(name[tag], name[tag+1])
			}
		}
		for _, calculation := range d.settings.calculations {
			column := r.Field + "_" + calculation
			if n := calculations[calculation](r.cell); n.Whole && !mixed[columnOf(r, column)] {
				row.Int(column, n.Int)
			} else {
				row.Float(column, n.float())
			}
		}
	}
	return out.Tables()
}

// mixed finds the columns in which some series have integers and others don't: a column has one kind.
func (d *downsample) mixed(results []result) map[[2]string]bool {
	mixed := map[[2]string]bool{}
	for _, r := range results {
		for _, calculation := range d.settings.calculations {
			if n := calculations[calculation](r.cell); !n.Whole {
				mixed[columnOf(r, r.Field+"_"+calculation)] = true
			}
		}
	}
	return mixed
}

func columnOf(r result, column string) [2]string { return [2]string{parts(r.Series)[0], column} }
