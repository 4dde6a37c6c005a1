// Downsample makes few rows of many: for each series, field and window of time it computes sums, averages and so on of what is
// written, and emits them at set times. It answers to InfluxData's downsampler plugin, but works on rows as they arrive and needs no
// database that it can query.
//
//	[plugin.downsample]
//	args    = { window = "1m", calculations = "avg max p95" }
//	trigger = [{ spec = "write:*" }, { spec = "every:10s" }]
//
// A window is emitted once it has ended, and again if rows for it come later, as a row of the same time and tags. So whoever stores what
// it emits has the right figures in the end. Rows that come twice, because a client or the server has sent them again, count once.
//
// The lesson is in the state: open windows and what they have counted move together, so a window is right through any number of
// reloads, handovers and crashes.
package main

import (
	"context"
	"sync"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/keep"
	"github.com/sohost/sohost/abi/rows"
)

// version is displayed with the generation. The linker may set it.
var version = "1"

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI:     abi.Version,
	Version: version,
	New:     newDownsample,
	State:   keep.Prototype[state](schema, 1),
	Args:    arguments,
}

const schema = "downsample"

// state is what the next generation gets.
type state struct {
	Cells   keep.Map[cellKey, cell]
	Details keep.Map[cellKey, detail]
	Points  keep.Map[pointKey, bool] // those that have been counted, of windows that may still change
	Gone    int64                    // windows that ended at this time or earlier are final; in nanoseconds since 1970
}

// cellKey names one field of one series in one window. Windows that were open when the argument was changed keep their length.
type cellKey struct {
	Series, Field string
	Start, Window int64 // nanoseconds
}

func (k cellKey) end() int64 { return k.Start + k.Window }

// pointKey names one value.
type pointKey struct {
	Series, Field string
	Time          int64
}

type downsample struct {
	keep.Of[state]
	host     abi.Host
	settings settings

	mu     sync.Mutex // guards the state and what follows
	series series
}

var (
	_ abi.Stateful        = (*downsample)(nil)
	_ abi.BatchHandler    = (*downsample)(nil)
	_ abi.ScheduleHandler = (*downsample)(nil)
)

func newDownsample(_ context.Context, host abi.Host) (abi.Instance, error) {
	s, err := readSettings(host.Args())
	if err != nil {
		return nil, err
	}
	return &downsample{Of: keep.New(schema, 1, &state{}), host: host, settings: s}, nil
}

// HandleBatch counts the rows of one write, all or none of them.
func (d *downsample) HandleBatch(_ context.Context, b *abi.Batch) error {
	d.mu.Lock()
	late := 0
	for i := range b.Tables {
		late += d.count(&b.Tables[i])
	}
	d.mu.Unlock()
	if late > 0 {
		d.host.Logger().Warn("rows came too late to be counted: their windows are final (argument late allows more)", "rows", late)
	}
	return nil
}

// count counts the rows of a table, and returns how many of them came too late. The caller holds mu.
func (d *downsample) count(t *abi.Table) (late int) {
	var fields []*abi.Column
	for i := range t.Columns {
		if c := &t.Columns[i]; numeric(c.Kind) && d.settings.wants(c.Name) {
			fields = append(fields, c)
		}
	}
	tags := sortedTags(t)
	window := int64(d.settings.window)
	for row, at := range t.Times {
		start := at - (at%window+window)%window
		if start+window <= d.State().Gone {
			late++
			continue
		}
		series := d.series.of(t, tags, row)
		for _, c := range fields {
			if rows.Has(c, row) {
				d.add(cellKey{series, c.Name, start, window}, at, numberOf(c, row))
			}
		}
	}
	return late
}

// add counts one value, unless it was counted before.
func (d *downsample) add(key cellKey, at int64, n number) {
	known := false
	d.State().Points.Update(pointKey{key.Series, key.Field, at}, func(_ bool, ok bool) bool {
		known = ok
		return true
	})
	if known {
		return
	}
	d.State().Cells.Update(key, func(c cell, _ bool) cell { return c.with(n, at) })
	if d.settings.detailed {
		d.State().Details.Update(key, func(more detail, _ bool) detail { return more.with(n.float()) })
	}
}

func main() {}
