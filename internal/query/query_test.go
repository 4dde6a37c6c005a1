package query

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
)

// inWords writes a table down: its name, and its columns with kinds and values, "-" where there is none.
func inWords(t abi.Table) string {
	words := []string{t.Name}
	for _, c := range t.Columns {
		var values []string
		n := max(len(c.Ints), len(c.Uints), len(c.Floats), len(c.Bools), len(c.Strings))
		for i := range n {
			v := "-"
			if c.Absent == nil || c.Absent[i/64]>>(i%64)&1 == 0 {
				switch c.Kind {
				case abi.Int, abi.Time:
					v = fmt.Sprint(c.Ints[i])
				case abi.Uint:
					v = fmt.Sprint(c.Uints[i])
				case abi.Float:
					v = fmt.Sprint(c.Floats[i])
				case abi.Bool:
					v = fmt.Sprint(c.Bools[i])
				default:
					v = c.Strings[i]
				}
			}
			values = append(values, v)
		}
		kind := []string{"?", "tag", "int", "uint", "float", "bool", "string", "time"}[c.Kind]
		words = append(words, fmt.Sprintf("%s:%s=%s", c.Name, kind, strings.Join(values, ",")))
	}
	return strings.Join(words, " ")
}

// TestQuery has answers as InfluxData documents them, with what becomes of them.
func TestQuery(t *testing.T) {
	for _, test := range []struct {
		name    string
		version int
		q       abi.Query
		request string // method, path and body
		answer  string
		want    []string
	}{
		{"SQL", 3, abi.Query{Text: "SELECT * FROM home", Params: map[string]any{"room": "x"}},
			`POST /api/v3/query_sql Bearer secret {"db":"d","q":"SELECT * FROM home","format":"jsonl","params":{"room":"x"}}`,
			`{"room":"Kitchen","temp":21.0,"co":0,"time":"2022-01-01T08:00:00"}` + "\n" +
				`{"room":"Bath","temp":22,"big":18446744073709551615,"ok":true,"time":"2022-01-01T09:00:00.000000001"}` + "\n",
			[]string{" room:string=Kitchen,Bath temp:float=21,22 co:int=0,- time:time=1641024000000000000,1641027600000000001 " +
				"big:uint=-,18446744073709551615 ok:bool=-,true"}},
		{"SQL, no rows", 3, abi.Query{Language: "sql"}, `POST /api/v3/query_sql Bearer secret {"db":"d","q":"","format":"jsonl"}`, "", []string{""}},
		{"InfluxQL 3", 3, abi.Query{Language: "influxql", Database: "e", Text: "x"},
			`POST /api/v3/query_influxql Bearer secret {"db":"e","q":"x","format":"jsonl"}`,
			`{"iox::measurement":"a","n":1}` + "\n" + `{"iox::measurement":"a","n":2}` + "\n" + `{"iox::measurement":"b","list":[1,2]}`,
			[]string{"a n:int=1,2", "b list:string=[1,2]"}},
		{"InfluxQL 1", 1, abi.Query{Language: "influxql", Text: "q", Params: map[string]any{"a": 1}},
			`POST /query Token secret db=d&epoch=ns&params=%7B%22a%22%3A1%7D&q=q`,
			`{"results":[{"statement_id":0,"series":[{"name":"cpu","tags":{"host":"x"},"columns":["time","n","s","none"],` +
				`"values":[[1641024000000000000,1,"2022-01-01T08:00:00Z",null],[1641024000000000001,2.5,null,null]]},` +
				`{"name":"cpu","tags":{"host":"y"},"columns":["time","n"],"values":[[0,9]]}]}]}`,
			[]string{"cpu host:tag=x,x time:time=1641024000000000000,1641024000000000001 n:float=1,2.5 s:string=2022-01-01T08:00:00Z,- none:string=-,-",
				"cpu host:tag=y time:time=0 n:float=9"}},
		{"InfluxQL 1, no series", 1, abi.Query{Language: "influxql"}, "POST /query Token secret db=d&epoch=ns&q=", `{"results":[{"statement_id":0}]}`, nil},
		{"Flux", 2, abi.Query{Language: "flux", Text: "f"},
			`POST /api/v2/query?org=o Token secret {"dialect":{"annotations":["datatype","group","default"],"header":true},"query":"f","type":"flux"}`,
			"#datatype,string,long,dateTime:RFC3339,string,string,double,long,unsignedLong,boolean\r\n" +
				"#group,false,false,false,true,true,false,false,false,false\r\n#default,_result,,,,,,,,\r\n" +
				",result,table,_time,_measurement,host,_value,n,u,ok\r\n,,0,2022-01-01T08:00:00Z,cpu,x,1.5,-1,2,true\r\n" +
				",,0,2022-01-01T09:00:00Z,cpu,x,,,,false\r\n,,1,2022-01-01T08:00:00Z,cpu,y,2,3,4,true\r\n\r\n" +
				"#datatype,string,long,string\r\n#group,false,false,false\r\n#default,other,,\r\n,result,table,s\r\n,,0,\"a,b\"\r\n",
			[]string{"cpu _time:time=1641024000000000000,1641027600000000000 _measurement:string=cpu,cpu host:tag=x,x _value:float=1.5,- n:int=-1,- u:uint=2,- ok:bool=true,false",
				"cpu _time:time=1641024000000000000 _measurement:string=cpu host:tag=y _value:float=2 n:int=3 u:uint=4 ok:bool=true",
				"other s:string=a,b"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			answers(t, Options{Version: test.version, Database: "d", Org: "o"}, test.q, test.request, test.answer, test.want)
		})
	}
}

// answers asks a database that has one answer, and compares the request with one in words, and the tables with others.
func answers(t *testing.T, o Options, q abi.Query, request, answer string, want []string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if got := fmt.Sprintf("%s %s %s %s", r.Method, r.RequestURI, r.Header.Get("Authorization"), body); got != request {
			t.Errorf("the request is %s\nwant %s", got, request)
		}
		io.WriteString(w, answer)
	}))
	defer s.Close()
	o.URL, o.TokenFile = s.URL+"/", filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(o.TokenFile, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := New(o)
	defer c.Close()
	tables, err := c.Query(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, table := range tables {
		got = append(got, inWords(table))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestColumns reads answers with a column twice, with texts that look like numbers of nanoseconds, and with times that have none.
func TestColumns(t *testing.T) {
	for _, test := range []struct {
		read       func([]byte) ([]abi.Table, error)
		body, want string
	}{
		{readLines, `{"a":1,"a":2,"b":3}` + "\n" + `{"b":4}`, " a:int=2,- b:int=3,4"},
		{readSeries, `{"results":[{"series":[{"name":"x","tags":{"a":"t"},"columns":["time","a","b","b"],"values":[[1,2,3,4],[5,6,7]]}]}]}`,
			"x a:tag=2,6 time:time=1,5 b:float=4,7"},
		{readAnnotated, "#datatype,string,long,long,long\n,result,table,a,a\n,r,0,1,2\n", "r a:int=2"},
		{readLines, `{"account":"1234567890123456","at":"2022-01-01T08:00:00Z"}`, " account:string=1234567890123456 at:time=1641024000000000000"},
		{readLines, `{"at":"9999-12-31T00:00:00"}`, " at:string=9999-12-31T00:00:00"},
		{readAnnotated, "#datatype,string,long,dateTime:RFC3339\n,result,table,at\n,r,0,0001-01-01T00:00:00Z\n,r,0,\n", "r at:string=0001-01-01T00:00:00Z,-"},
	} {
		tables, err := test.read([]byte(test.body))
		if err != nil || len(tables) != 1 || inWords(tables[0]) != test.want {
			t.Errorf("%s: %v, %v, want %s", test.body, tables, err, test.want)
		}
	}
}

// TestCheck finds each fault of a database's options, and shows no password.
func TestCheck(t *testing.T) {
	for _, test := range []struct {
		o    Options
		want string
	}{
		{Options{URL: "http://h:1/below", Version: 1}, ""},
		{Options{URL: "http://u:secret@h", Version: 1}, ""},
		{Options{URL: "http//u:secret@h", Version: 1}, "url: want one such as"},
		{Options{URL: "http://h?p=secret", Version: 1}, "url: want one such as"},
		{Options{URL: "http://h", Version: 4, Timeout: -1, Limit: -1, Token: "secret", TokenFile: "f"},
			"version: 4: want 1, 2 or 3, token_file: there is a token already, timeout: it is negative, limit: it is negative"},
		{Options{Kind: Prometheus, URL: "http://h"}, ""},
		{Options{Kind: Prometheus, URL: "http://h", Version: 2, Database: "d", Org: "o"},
			"version: only a database of kind influx, database: only a database of kind influx, org: only a database of kind influx"},
		{Options{Kind: "other", URL: "http://h"}, `kind: "other": want influx or prometheus`},
	} {
		var faults []string
		test.o.Check(func(key, text string) { faults = append(faults, key+": "+text) })
		got := strings.Join(faults, ", ")
		rest := got
		for _, want := range strings.Split(test.want, ", ") {
			_, after, found := strings.Cut(rest, want)
			if rest = after; !found || strings.Contains(got, "secret") || test.want == "" && got != "" {
				t.Errorf("%+v: %s, want %s, in this order", test.o, got, test.want)
			}
		}
	}
}

// TestErrors has what databases answer besides rows, and what a plugin is told.
func TestErrors(t *testing.T) {
	for _, test := range []struct {
		version  int // 0 for Prometheus
		language string
		status   int
		answer   string
		want     string
	}{
		{3, "sql", 400, `{"error":"table 'x' not found"}`, "it answers 400: table 'x' not found; correct the query"},
		{3, "sql", 401, `{"error":"the request was not authenticated"}`, "set a token that may read the database"},
		{3, "sql", 404, "", "it answers 404: Not Found; correct url, version or the name of the database"},
		{3, "sql", 503, "busy", "it answers 503: busy; ask again later"},
		{3, "flux", 200, "", `InfluxDB 3 takes no "flux": set Language to sql or influxql`},
		{3, "sql", 200, `{"a":`, "the answer can't be read"},
		{3, "sql", 200, `[1]`, "the answer can't be read"},
		{3, "sql", 200, strings.Repeat(`{"a":1}`, 200), "more than 1000 bytes; ask for less"},
		{1, "sql", 200, "", `InfluxDB 1 takes no "sql": set Language to influxql or flux`},
		{1, "influxql", 200, `{"results":[{"error":"database not found: d"}]}`, "database not found: d; correct the query"},
		{1, "influxql", 200, `{"results":[{"series":[{"name":"x","partial":true}]}]}`, "the database has cut it off"},
		{2, "flux", 400, `{"code":"invalid","message":"error in building plan"}`, "it answers 400: error in building plan; correct the query"},
		{2, "flux", 200, "#datatype,string,string\n#group,true,true\n#default,,\n,error,reference\n,failed,897\n", "it answers: failed"},
		{2, "flux", 200, "#datatype,string,long\n,result,table\n,a\n", "a row has 2 columns, its table 3"},
		{1, "flux", 500, `{"error":"loc 1:22-1:28: expected RPAREN, got EOF"}`, "expected RPAREN, got EOF; correct the query, or ask again later"},
		{0, "sql", 200, "", `Prometheus takes no "sql": set Language to promql`},
		{0, "", 422, `{"status":"error","errorType":"422","error":"cannot parse"}`, "it answers 422: cannot parse; correct the query"},
		{0, "", 200, `{"status":"success","isPartial":true,"data":{"resultType":"vector","result":[]}}`, "which isn't there; ask again later"},
		{0, "", 200, `{"data":{"resultType":"vector","result":[{"metric":{"__name__":"h"},"histogram":[1,{}]}]}}`, "h is a native histogram"},
		{0, "", 200, `{"data":{"resultType":"vector","result":[{"value":[1,2]}]}}`, "2 is no value"},
		{0, "", 200, `{"data":{"resultType":"vector","result":[{"value":[1,"x"]}]}}`, "x is no value"},
		{0, "", 200, `{"data":{"resultType":"vector","result":[{"value":["1","1"]}]}}`, "1 is no time"},
		{0, "", 200, `{"data":{"resultType":"matrix","result":[{"values":[[1e12,"1"]]}]}}`, "1e12 is no time"},
		{0, "", 200, `{"data":{"resultType":"vector","result":[{"value":[9223372036.8547,"1"]}]}}`, "9223372036.8547 is no time"},
		{0, "", 200, `{"data":{"resultType":"streams","result":[]}}`, `a result of type "streams"`},
		{0, "", 200, `[]`, "the answer can't be read"},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(test.status)
			io.WriteString(w, test.answer)
		}))
		o := Options{URL: strings.Replace(s.URL, "http://", "http://me:secret@", 1), Version: test.version, Limit: 1000}
		if o.Version == 0 {
			o.Kind = Prometheus
		}
		c := New(o)
		if tables, err := c.Query(t.Context(), abi.Query{Language: test.language}); err == nil || !strings.Contains(err.Error(), test.want) ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("%d %s %d %s: %v, %v, want %s", test.version, test.language, test.status, test.answer, tables, err, test.want)
		}
		c.Close()
		s.Close()
	}
}

// TestDeadline asks a database that doesn't answer, and one that isn't there.
func TestDeadline(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); <-r.Context().Done() }))
	c := New(Options{URL: s.URL, Version: 3, Timeout: 10 * time.Millisecond})
	_, err := c.Query(t.Context(), abi.Query{})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "allow more with timeout") {
		t.Error(err)
	}
	s.Close()
	if _, err = New(Options{URL: s.URL, Version: 3}).Query(t.Context(), abi.Query{}); err == nil || !strings.Contains(err.Error(), "can be reached") {
		t.Error(err)
	}
}

// FuzzAnswers reads any text as an answer in each form. Every column of a table has as many values as the others.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte("{\"a\":1}\n{\"b\":null}"))
	f.Add([]byte("{\"a\":1,\"a\":2,\"b\":3}"))
	f.Add([]byte("#datatype,string,long\n,result,table\n,,0\n"))
	f.Add([]byte(`{"results":[{"series":[{"columns":["a"],"values":[[1],[]]}]}]}`))
	f.Add([]byte(`{"data":{"resultType":"matrix","result":[{"metric":{"time":"x"},"values":[[1,"2"]]},{"value":[3,"4"]}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, read := range []func([]byte) ([]abi.Table, error){readLines, readSeries, readAnnotated, readSamples} {
			tables, _ := read(body)
			for _, table := range tables {
				for _, c := range table.Columns {
					first, n := table.Columns[0], func(c abi.Column) int {
						return max(len(c.Ints), len(c.Uints), len(c.Floats), len(c.Bools), len(c.Strings))
					}
					if n(c) != n(first) {
						t.Errorf("column %q has %d values, %q has %d", c.Name, n(c), first.Name, n(first))
					}
				}
			}
		}
	})
}
