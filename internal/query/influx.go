package query

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/sohost/sohost/abi"
)

// languages are those of each version of InfluxDB, the first element of version 1.
var languages = [][]string{{"influxql", "flux"}, {"flux", "influxql"}, {"sql", "influxql"}}

// influxRequest returns the request for a question to InfluxDB.
func (c *Client) influxRequest(q abi.Query) (target, kind string, body []byte, read reader, err error) {
	q.Language = cmp.Or(q.Language, "sql")
	switch {
	case c.o.Version == 3 && (q.Language == "sql" || q.Language == "influxql"):
		target, kind, read = "/api/v3/query_"+q.Language, asJSON, readLines
		body, err = json.Marshal(struct {
			DB     string         `json:"db"`
			Q      string         `json:"q"`
			Format string         `json:"format"`
			Params map[string]any `json:"params,omitempty"`
		}{q.Database, q.Text, "jsonl", q.Params})
	case c.o.Version != 3 && q.Language == "influxql":
		form := url.Values{"db": {q.Database}, "q": {q.Text}, "epoch": {"ns"}}
		if len(q.Params) > 0 {
			var params []byte
			params, err = json.Marshal(q.Params)
			form.Set("params", string(params))
		}
		target, kind, read, body = "/query", asForm, readSeries, []byte(form.Encode())
	case c.o.Version != 3 && q.Language == "flux":
		if len(q.Params) > 0 {
			return "", "", nil, nil, errors.New("a query in Flux has no parameters: write the values into its text")
		}
		target, kind, read = "/api/v2/query?org="+url.QueryEscape(c.o.Org), asJSON, readAnnotated
		body, err = json.Marshal(map[string]any{"query": q.Text, "type": "flux",
			"dialect": map[string]any{"header": true, "annotations": []string{"datatype", "group", "default"}}})
	default:
		return "", "", nil, nil, fmt.Errorf("InfluxDB %d takes no %q: set Language to %s",
			c.o.Version, q.Language, strings.Join(languages[c.o.Version-1], " or "))
	}
	if err != nil {
		return "", "", nil, nil, fmt.Errorf("parameters: %w", err)
	}
	return target, kind, body, read, nil
}
