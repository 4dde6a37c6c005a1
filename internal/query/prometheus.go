package query

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/sohost/sohost/abi"
)

// prometheusRequest returns the request for a question in PromQL: one for a range of time if it has a start, else one for an instant.
func (c *Client) prometheusRequest(q abi.Query) (target, kind string, body []byte, read reader, err error) {
	if cmp.Or(q.Language, "promql") != "promql" {
		return "", "", nil, nil, fmt.Errorf("a Prometheus takes no %q: set Language to promql, or leave it out", q.Language)
	}
	if q.Database != "" {
		return "", "", nil, nil, fmt.Errorf("a Prometheus has no databases, such as %q: leave Database out", q.Database)
	}
	target, takes := "/api/v1/query", []string{"time"}
	if q.Params["start"] != nil {
		target, takes = "/api/v1/query_range", []string{"start", "end", "step"}
	}
	form := url.Values{"query": {q.Text}}
	for _, name := range slices.Sorted(maps.Keys(q.Params)) {
		if !slices.Contains(takes, name) {
			return "", "", nil, nil, fmt.Errorf("a query in PromQL has no parameter %q: it takes time, or else start, end and step", name)
		}
		form.Set(name, fmt.Sprint(q.Params[name]))
	}
	return target, asForm, []byte(form.Encode()), readSamples, nil
}

// samples is a series as Prometheus answers with it.
type samples struct {
	Metric     map[string]string
	Value      *[2]any  // of an instant
	Values     [][2]any // of a range
	Histogram  any      // native ones, which no kind of column can hold
	Histograms any
}

// readSamples reads an answer of Prometheus' HTTP interface: a table for each metric, with its series one after the other.
func readSamples(body []byte) ([]abi.Table, error) {
	var answer struct {
		IsPartial bool // says VictoriaMetrics
		Data      struct {
			ResultType string
			Result     json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("the answer can't be read: %w", err)
	}
	if answer.IsPartial {
		return nil, fmt.Errorf("the answer lacks what a part of the database has, which isn't there; %s", askLater)
	}
	var all []samples
	var err error
	switch kind := answer.Data.ResultType; kind {
	case "vector", "matrix":
		err = unmarshal(answer.Data.Result, &all)
	case "scalar", "string":
		all = []samples{{Value: new([2]any)}}
		err = unmarshal(answer.Data.Result, all[0].Value)
	default:
		err = fmt.Errorf("it has a result of type %q", kind)
	}
	var tables []abi.Table
	if err == nil {
		tables, err = tablesOf(all, answer.Data.ResultType == "string")
	}
	if err != nil {
		return nil, fmt.Errorf("the answer can't be read: %w", err)
	}
	return tables, nil
}

// nameLabel is the label that has the name of a metric.
const nameLabel = "__name__"

// tablesOf makes a table of the series of each metric, in the order in which the metrics first come.
func tablesOf(all []samples, text bool) ([]abi.Table, error) {
	var names []string
	of := map[string]*columns{}
	for _, s := range all {
		name := s.Metric[nameLabel]
		cs := of[name]
		if cs == nil {
			cs = &columns{}
			of[name], names = cs, append(names, name)
		}
		if err := s.addTo(cs, text); err != nil {
			return nil, err
		}
	}
	var tables []abi.Table
	for _, name := range names {
		tables = append(tables, of[name].table(name))
	}
	return tables, nil
}

// addTo adds a row for each sample: its labels, as tags, and then time and value.
func (s samples) addTo(cs *columns, text bool) error {
	if s.Histogram != nil || s.Histograms != nil {
		return fmt.Errorf("%s is a native histogram: ask for what a function such as histogram_quantile makes of it", s.Metric[nameLabel])
	}
	if s.Value != nil {
		s.Values = append(s.Values, *s.Value)
	}
	kind := abi.Float
	if text {
		kind = abi.String
	}
	for _, v := range s.Values {
		at, err := milliseconds(v[0])
		value, is := v[1].(string)
		if _, bad := strconv.ParseFloat(value, 64); err == nil && (!is || !text && bad != nil) {
			err = fmt.Errorf("%v is no value", v[1])
		}
		if err != nil {
			return err
		}
		cs.rows++
		for _, label := range slices.Sorted(maps.Keys(s.Metric)) {
			if label != nameLabel {
				cs.setAs(abi.Tag, labelColumn(label), s.Metric[label])
			}
		}
		cs.setAs(abi.Time, "time", at)
		cs.setAs(kind, "value", value)
	}
	return nil
}

// labelColumn returns the name of a label's column: a label that is called as one of the other columns is told apart as Prometheus does.
func labelColumn(label string) string {
	if label == "time" || label == "value" {
		return "exported_" + label
	}
	return label
}

// milliseconds reads a time in seconds, of which Prometheus has no more than thousandths, and returns it in nanoseconds.
func milliseconds(v any) (json.Number, error) {
	number, _ := v.(json.Number)
	seconds, err := number.Float64()
	ms := math.Round(seconds * 1e3)
	if err != nil || math.Abs(ms) > math.MaxInt64/1_000_000 {
		return "", fmt.Errorf("%v is no time", v)
	}
	return json.Number(strconv.FormatInt(int64(ms)*int64(time.Millisecond), 10)), nil
}
