package query

import (
	"strings"
	"testing"

	"github.com/sohost/sohost/abi"
)

// TestPrometheus has answers as Prometheus documents them, with what becomes of them.
func TestPrometheus(t *testing.T) {
	for _, test := range []struct {
		name    string
		q       abi.Query
		request string // path and body
		answer  string
		want    []string
	}{
		{"instant", abi.Query{Text: "up", Params: map[string]any{"time": "2022-01-01T08:00:00Z"}},
			"/api/v1/query Bearer secret query=up&time=2022-01-01T08%3A00%3A00Z",
			`{"status":"success","data":{"resultType":"vector","result":[` +
				`{"metric":{"__name__":"up","job":"a","instance":"x"},"value":[1641024000.781,"1"]},` +
				`{"metric":{"__name__":"down"},"value":[1641024000,"+Inf"]},` +
				`{"metric":{"__name__":"up","job":"b","time":"t"},"value":[1641024000.781,"NaN"]}]}}`,
			[]string{"up instance:tag=x,- job:tag=a,b time:time=1641024000781000000,1641024000781000000 value:float=1,NaN exported_time:tag=-,t",
				"down time:time=1641024000000000000 value:float=+Inf"}},
		{"range", abi.Query{Language: "promql", Text: "sum by (job) (up)", Params: map[string]any{"start": int64(1641024000), "end": 1641024060.5, "step": "1m"}},
			"/api/v1/query_range Bearer secret end=1.6410240605e%2B09&query=sum+by+%28job%29+%28up%29&start=1641024000&step=1m",
			`{"status":"success","data":{"resultType":"matrix","result":[` +
				`{"metric":{"job":"a"},"values":[[1641024000,"1.5"],[1641024060,"2"]]},{"metric":{"job":"b"},"values":[[1641024060,"-3"]]}]}}`,
			[]string{" job:tag=a,a,b time:time=1641024000000000000,1641024060000000000,1641024060000000000 value:float=1.5,2,-3"}},
		{"scalar", abi.Query{Text: "1"}, "/api/v1/query Bearer secret query=1",
			`{"status":"success","data":{"resultType":"scalar","result":[1641024000.781,"1"]}}`, []string{" time:time=1641024000781000000 value:float=1"}},
		{"string", abi.Query{Text: `"x"`}, "/api/v1/query Bearer secret query=%22x%22",
			`{"status":"success","data":{"resultType":"string","result":[1641024000,"x"]}}`, []string{" time:time=1641024000000000000 value:string=x"}},
		{"none", abi.Query{Text: "x"}, "/api/v1/query Bearer secret query=x", `{"status":"success","data":{"resultType":"vector","result":[]}}`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			answers(t, Options{Kind: Prometheus}, test.q, "POST "+test.request, test.answer, test.want)
		})
	}
}

// TestPrometheusRefuses has questions that are not sent, since Prometheus would leave out what it doesn't know.
func TestPrometheusRefuses(t *testing.T) {
	for want, q := range map[string]abi.Query{
		`no databases, such as "d": leave Database out`:      {Database: "d"},
		`no parameter "host"`:                                {Params: map[string]any{"host": "a"}},
		`no parameter "time": it takes time, or else start,`: {Params: map[string]any{"start": "1", "time": "2"}},
	} {
		c := New(Options{Kind: Prometheus, URL: "http://127.0.0.1:1"})
		if _, err := c.Query(t.Context(), q); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", q, err, want)
		}
	}
}
