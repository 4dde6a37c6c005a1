// Threshold compares fields with limits as rows are written, and emits an alert when one is passed often enough. At set times it looks
// for series that have gone silent. It answers to InfluxData's threshold_deadman_checks plugin, and leaves notifications to whoever reads
// the rows.
//
//	[plugin.threshold]
//	args    = { conditions = "busy>80-WARN busy>95-CRITICAL status==down-CRITICAL", count = "3", cooldown = "10m", deadman = "5m" }
//	trigger = [{ spec = "write:cpu" }, { spec = "every:1m" }]
//
// After an alert of a series and level there is none for the cool-down. That is in the plugin's cache: it survives reloads, and a
// restart forgets it, which costs no more than an alert too many.
package main

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/keep"
	"github.com/sohost/sohost/abi/rows"
)

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI:   abi.Version,
	New:   newThreshold,
	State: keep.Prototype[state](schema, 1),
	Args:  arguments,
}

const schema = "threshold"

// state is what the next generation gets.
type state struct {
	Checks keep.Map[checkKey, check]
	Seen   keep.Map[seriesKey, seen]
}

// seriesKey names a series. Tags has all tags in the order of their names.
type seriesKey struct {
	Database, Table, Tags string
}

// checkKey names a condition of a series.
type checkKey struct {
	Series    seriesKey
	Condition string
}

// check is how often in a row a condition was met.
type check struct {
	Times  int
	Newest int64 // the time of the newest row; rows that aren't newer are known
}

// seen is when a series was written last.
type seen struct {
	At     int64 // nanoseconds since 1970 UTC
	Silent bool  // an alert says so
}

type threshold struct {
	keep.Of[state]
	host     abi.Host
	settings settings
	mu       sync.Mutex // held during a call
}

var (
	_ abi.Stateful        = (*threshold)(nil)
	_ abi.BatchHandler    = (*threshold)(nil)
	_ abi.ScheduleHandler = (*threshold)(nil)
)

func newThreshold(_ context.Context, host abi.Host) (abi.Instance, error) {
	s, err := readSettings(host.Args())
	if err != nil {
		return nil, err
	}
	return &threshold{Of: keep.New(schema, 1, &state{}), host: host, settings: s}, nil
}

// HandleBatch checks the rows of one write. It notes what it has seen once the alerts are stored, so a batch that comes again makes
// the same ones.
func (h *threshold) HandleBatch(ctx context.Context, b *abi.Batch) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := round{threshold: h, checks: map[checkKey]check{}, seen: map[seriesKey]seen{}}
	for i := range b.Tables {
		if t := &b.Tables[i]; t.Name != h.settings.into { // its own rows, if they come back
			r.table(b.Database, t)
		}
	}
	return r.commit(ctx)
}

// HandleSchedule looks for series that have gone silent.
func (h *threshold) HandleSchedule(ctx context.Context, t abi.Tick) error {
	if h.settings.deadman == 0 {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	r := round{threshold: h, seen: map[seriesKey]seen{}}
	all := maps.Collect(h.State().Seen.All())
	for _, key := range slices.SortedFunc(maps.Keys(all), compareSeries) {
		s := all[key]
		silent := t.Due.Sub(time.Unix(0, s.At))
		if s.Silent || silent < h.settings.deadman {
			continue
		}
		text := "no rows since " + time.Unix(0, s.At).UTC().Format(time.RFC3339)
		if r.alert(key, "CRITICAL", "deadman", silent.Seconds(), t.Due.UnixNano(), text) { // else it is due after the cool-down
			s.Silent = true
			r.seen[key] = s
		}
	}
	return r.commit(ctx)
}

func compareSeries(a, b seriesKey) int {
	return cmp.Or(cmp.Compare(a.Database, b.Database), cmp.Compare(a.Table, b.Table), cmp.Compare(a.Tags, b.Tags))
}

func main() {}

// round is what one call finds.
type round struct {
	*threshold
	out    rows.Builder
	cooled []string // keys of the cache
	checks map[checkKey]check
	seen   map[seriesKey]seen
}

// commit emits the alerts, and then notes what was found.
func (r *round) commit(ctx context.Context) error {
	if r.out.Rows() > 0 {
		if err := r.host.Emit(ctx, r.out.Tables()); err != nil {
			return err
		}
	}
	for _, key := range r.cooled {
		if err := r.host.Cache().Put(key, nil, r.settings.cooldown); err != nil {
			r.host.Logger().Warn("the cool-down can't be kept: alerts may come more often", "err", err)
		}
	}
	for k, c := range r.checks {
		r.State().Checks.Set(k, c)
	}
	for k, s := range r.seen {
		r.State().Seen.Set(k, s)
	}
	return nil
}
