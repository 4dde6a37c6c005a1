// Lastvalue keeps the last value of each field of each series that is written, and tells it to whoever asks. It answers to the last
// values cache of InfluxDB 3.
//
//	[plugin.lastvalue]
//	trigger = [{ spec = "write:*" }, { spec = "request:/last" }]
//
//	GET /last?table=cpu&host=a    returns the series of a table with these tags, as JSON
//
// A row that is older than what is known changes nothing, so rows that come twice or in another order do no harm.
package main

import (
	"context"
	"encoding/json"
	"net/http"
	"sort"
	"strings"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/keep"
	"github.com/sohost/sohost/abi/rows"
)

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI: abi.Version,
	New: func(context.Context, abi.Host) (abi.Instance, error) {
		return &lastvalue{Of: keep.New(schema, 1, &state{})}, nil
	},
	State: keep.Prototype[state](schema, 1),
	Args:  []abi.Arg{},
}

const schema = "lastvalue"

// state is what the next generation gets.
type state struct {
	Values keep.Map[key, last]
}

// key names a field of a series. Tags has the tags as JSON, which orders them.
type key struct {
	Database, Table, Tags, Field string
}

// last is a value, as JSON, with its time.
type last struct {
	JSON string
	At   int64 // nanoseconds since 1970 UTC
}

type lastvalue struct {
	keep.Of[state]
}

var (
	_ abi.Stateful     = (*lastvalue)(nil)
	_ abi.BatchHandler = (*lastvalue)(nil)
	_ http.Handler     = (*lastvalue)(nil)
)

// HandleBatch remembers the rows of one write.
func (l *lastvalue) HandleBatch(_ context.Context, b *abi.Batch) error {
	for i := range b.Tables {
		t := &b.Tables[i]
		for row, at := range t.Times {
			tags := text(tagsOf(t, row))
			for j := range t.Columns {
				if c := &t.Columns[j]; c.Kind != abi.Tag && rows.Has(c, row) {
					l.set(key{b.Database, t.Name, tags, c.Name}, last{text(rows.Value(c, row)), at})
				}
			}
		}
	}
	return nil
}

func (l *lastvalue) set(k key, v last) {
	l.State().Values.Update(k, func(had last, ok bool) last {
		if ok && had.At > v.At {
			return had
		}
		return v
	})
}

func tagsOf(t *abi.Table, row int) map[string]string {
	tags := map[string]string{}
	for i := range t.Columns {
		if c := &t.Columns[i]; c.Kind == abi.Tag && rows.Has(c, row) {
			tags[c.Name] = c.Strings[row]
		}
	}
	return tags
}

// text returns a value as JSON, which has no numbers but finite ones; line protocol has no others either.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "null"
	}
	return string(b)
}

// answer is one series.
type answer struct {
	Database string            `json:"database"`
	Table    string            `json:"table"`
	Tags     map[string]string `json:"tags"`
	Fields   map[string]field  `json:"fields"`
}

type field struct {
	Value json.RawMessage `json:"value"`
	Time  time.Time       `json:"time"`
}

// ServeHTTP answers with the series that the query describes: table and database, if it has them, and tags.
func (l *lastvalue) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET")
		http.Error(w, "GET the last values, as in ?table=cpu&host=a", http.StatusMethodNotAllowed)
		return
	}
	series := map[key]*answer{}
	for k, v := range l.State().Values.All() {
		var tags map[string]string
		if json.Unmarshal([]byte(k.Tags), &tags) != nil || !matches(k, tags, r.URL.Query()) {
			continue
		}
		name := key{k.Database, k.Table, k.Tags, ""}
		if series[name] == nil {
			series[name] = &answer{k.Database, k.Table, tags, map[string]field{}}
		}
		series[name].Fields[k.Field] = field{json.RawMessage(v.JSON), time.Unix(0, v.At).UTC()}
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(ordered(series))
}

// matches reports whether a series has what a query asks for.
func matches(k key, tags map[string]string, query map[string][]string) bool {
	for name, wanted := range query {
		have := tags[name]
		switch name {
		case "table":
			have = k.Table
		case "database":
			have = k.Database
		}
		if have != wanted[0] {
			return false
		}
	}
	return true
}

func ordered(series map[key]*answer) []*answer {
	keys := make([]key, 0, len(series))
	for k := range series {
		keys = append(keys, k)
	}
	name := func(k key) string { return strings.Join([]string{k.Database, k.Table, k.Tags}, "\x00") }
	sort.Slice(keys, func(i, j int) bool { return name(keys[i]) < name(keys[j]) })
	all := make([]*answer, 0, len(keys))
	for _, k := range keys {
		all = append(all, series[k])
	}
	return all
}

func main() {}
