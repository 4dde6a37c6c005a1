package integration

import (
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/program"
)

var (
	influxd  = flag.String("influxd", "", "the `program` of InfluxDB 1.7 or later, for TestQueryInfluxDB")
	victoria = flag.String("victoria", "", "the `program` of VictoriaMetrics, for TestQueryPrometheus")
)

// interrogation is a server with the plugin asker, which stores rows in a database and asks it for them.
type interrogation struct {
	t     *testing.T
	d     *daemon
	flush string // the URL by which the database shows at once what it was sent, if it doesn't anyway
}

// interrogate starts such a server. settings are those of the database besides its URL.
func interrogate(t *testing.T, url, settings string) interrogation {
	t.Helper()
	p := newPlace(t)
	install(t, newSourceOf(t, "asker", filepath.Join("testdata", "asker")).build(), filepath.Join(p.plugins, "asker.so"))
	file := filepath.Join(p.dir, "sohost.toml")
	config := fmt.Sprintf("[plugin.asker]\nimage = \"%s/asker.so\"\n[sink.main]\nkind = \"influx\"\nversion = 1\nurl = %q\ndatabase = \"d\"\nflush = \"10ms\"\n"+
		"[database.main]\nurl = %[2]q\n%s\n", p.plugins, url, settings)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return interrogation{t: t, d: p.start(t, "--config", file)}
}

// ask returns what the plugin answers to a query, with parameters as in a URL.
func (in interrogation) ask(language, q, more string) string {
	in.t.Helper()
	r, err := impatient.Get(in.d.url + "/asker/ask?language=" + language + "&q=" + url.QueryEscape(q) + more)
	if err != nil {
		in.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		in.t.Fatal(err)
	}
	return string(b)
}

// emit has the plugin store its rows, and waits until an answer to a query has a text.
func (in interrogation) emit(language, q, more, want string) {
	in.t.Helper()
	if text, _ := in.d.get("/asker/emit"); text != "emitted" {
		in.t.Fatal(text)
	}
	got := ""
	for hang := time.Now().Add(patience); !strings.Contains(got, want); got = in.ask(language, q, more) {
		if time.Now().After(hang) {
			in.t.Fatalf("the rows are not stored: %s", got)
		}
		if in.flush != "" {
			r, err := impatient.Get(in.flush)
			if err != nil {
				in.t.Fatal(err)
			}
			r.Body.Close()
		}
	}
}

// returns compares the answer to a query with a text.
func (in interrogation) returns(language, q, more, want string) {
	in.t.Helper()
	if got := in.ask(language, q, more); got != want {
		in.t.Errorf("%s\nreturns %q\nwant    %q", q, got, want)
	}
}

// refuses compares the error of a query with an expression.
func (in interrogation) refuses(language, q, more, want string) {
	in.t.Helper()
	if got := in.ask(language, q, more); !regexp.MustCompile(want).MatchString(got) {
		in.t.Errorf("%s\nreturns %q\nwant    %q", q, got, want)
	}
}

// TestQueryInfluxDB has a plugin store rows in a real InfluxDB and ask for them, in InfluxQL and in Flux. It gets what it has emitted.
func TestQueryInfluxDB(t *testing.T) {
	if *influxd == "" {
		t.Skip("make test-influx runs it, and fetches InfluxDB")
	}
	in := interrogate(t, startInfluxDB(t).URL, "version = 1\ndatabase = \"d\"")
	in.ask("influxql", "CREATE DATABASE d", "")
	in.emit("influxql", "SELECT COUNT(n) FROM t", "", "count=float:2 ")
	const first, second = "time=time:2026-01-02T03:04:05.000000006Z ", "time=time:2026-01-02T03:05:05.000000006Z "
	for _, test := range []struct{ q, more, want string }{
		{"SELECT * FROM t", "", "table t\n" + first + "host=string:a b n=float:7 note=string:it's \"7\", =ü up=bool:true x=float:0.1 \n" +
			second + "host=string:c n=float:-3 up=bool:false \n"},
		{"SELECT n FROM t GROUP BY host", "", "table t\nhost=tag:a b " + first + "n=float:7 \ntable t\nhost=tag:c " + second + "n=float:-3 \n"},
		{"SELECT MEAN(n) FROM t WHERE time >= '2026-01-02T03:04:00Z' AND time < '2026-01-02T03:06:00Z' GROUP BY time(1m)", "",
			"table t\ntime=time:2026-01-02T03:04:00Z mean=float:7 \ntime=time:2026-01-02T03:05:00Z mean=float:-3 \n"},
		{"SELECT n FROM t WHERE host = $host AND n > $min", "&host=" + url.QueryEscape("a b") + "&min=-5", "table t\n" + first + "n=float:7 \n"},
		{"SELECT n FROM nothing", "", ""},
		{"SHOW TAG VALUES FROM t WITH KEY = host", "", "table t\nkey=string:host value=string:a b \nkey=string:host value=string:c \n"},
	} {
		in.returns("influxql", test.q, test.more, test.want)
	}
	const from = `from(bucket: "d") |> range(start: 2026-01-01T00:00:00Z, stop: 2026-02-01T00:00:00Z)`
	const bounds = "_start=time:2026-01-01T00:00:00Z _stop=time:2026-02-01T00:00:00Z "
	for _, test := range []struct{ q, want string }{
		{from + ` |> filter(fn: (r) => r._field == "n")`, "table t\n" + bounds + "_" + first + "_value=int:7 _field=string:n _measurement=string:t host=tag:a b \n" +
			"table t\n" + bounds + "_" + second + "_value=int:-3 _field=string:n _measurement=string:t host=tag:c \n"},
		{from + ` |> filter(fn: (r) => r._field == "n") |> group() |> sum() |> keep(columns: ["_value"])`, "table _result\n_value=int:4 \n"},
		{from + ` |> filter(fn: (r) => r._field == "note" or r._field == "up" or r._field == "x") |> filter(fn: (r) => r.host == "a b")` +
			` |> keep(columns: ["_time", "_field", "_value"])`, "table _result\n_" + first + "_value=string:it's \"7\", =ü _field=string:note \n" +
			"table _result\n_" + first + "_value=bool:true _field=string:up \ntable _result\n_" + first + "_value=float:0.1 _field=string:x \n"},
		{`from(bucket: "d") |> range(start: -1m)`, ""},
	} {
		in.returns("flux", test.q, "", test.want)
	}
	for _, test := range []struct{ language, q, want string }{
		{"influxql", "SELEC n FROM t", "answers 400: error parsing query: found SELEC.*; correct the query"},
		{"influxql", "SELECT n FROM other..t", "database not found: other; correct the query, or the name of the database"},
		{"sql", "SELECT 1", `InfluxDB 1 takes no "sql": set Language to influxql or flux`},
		{"flux", `from(bucket: "d") |> range(`, "answers 500: loc 1:.* expected RPAREN, got EOF; correct the query"},
		{"flux", `from(bucket: "other") |> range(start: -1m)`, "answers 500: .*no database; correct the query"},
	} {
		in.refuses(test.language, test.q, "", test.want)
	}
	in.d.terminate()
}

// TestQueryPrometheus has a plugin store rows in a real VictoriaMetrics, by InfluxDB's interface, and ask for them in PromQL and MetricsQL,
// by Prometheus' interface. It gets what it has emitted, in milliseconds.
func TestQueryPrometheus(t *testing.T) {
	if *victoria == "" {
		t.Skip("make test-influx runs it, and fetches VictoriaMetrics")
	}
	base := startVictoriaMetrics(t)
	in := interrogate(t, base, `kind = "prometheus"`)
	in.flush = base + "/internal/force_flush"
	const at = "&time=2026-01-02T03:05:05Z"
	const ranges = "&start=2026-01-02T03:04:05Z&end=2026-01-02T03:04:35Z&step=30s"
	in.emit("promql", "count(t_n) * 2", at, "value=float:4 ")
	const first, middle, second = "time=time:2026-01-02T03:04:05Z ", "time=time:2026-01-02T03:04:35Z ", "time=time:2026-01-02T03:05:05Z "
	const a, c = "db=tag:d host=tag:a b ", "db=tag:d host=tag:c "
	for _, test := range []struct{ q, more, want string }{
		{"t_n", at, "table t_n\n" + a + second + "value=float:7 \n" + c + second + "value=float:-3 \n"},
		{`{__name__=~"t_(n|x)", host="a b"}`, at, "table t_n\n" + a + second + "value=float:7 \ntable t_x\n" + a + second + "value=float:0.1 \n"},
		{"sum(t_n) by (db)", at, "table \ndb=tag:d " + second + "value=float:4 \n"},
		{`t_n{host="a b"}`, ranges, "table t_n\n" + a + first + "value=float:7 \n" + a + middle + "value=float:7 \n"},
		{`median(t_n)`, at, "table \n" + second + "value=float:2 \n"}, // MetricsQL alone has median
		{"2 * 3", at, "table \n" + second + "value=float:6 \n"},
		{"nothing", at, ""},
	} {
		in.returns("promql", test.q, test.more, test.want)
	}
	in.returns("", "sum(t_n)", at, "table \n"+second+"value=float:4 \n")
	in.refuses("promql", "sum(", at, "answers 4..: .*; correct the query")
	in.refuses("promql", "t_n", "&host=x", `no parameter "host": it takes time, or else start, end and step`)
	in.refuses("sql", "SELECT 1", "", `Prometheus takes no "sql": set Language to promql`)
	in.d.terminate()
}

// startInfluxDB starts an InfluxDB 1.x, which serves until the end of the test.
func startInfluxDB(t *testing.T) *program.Program {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "influxdb.conf")
	config := fmt.Sprintf("reporting-disabled = true\nbind-address = \"127.0.0.1:0\"\n[meta]\ndir = %q\n[data]\ndir = %q\nwal-dir = %q\n"+
		"[http]\nbind-address = \"127.0.0.1:0\"\nlog-enabled = false\nflux-enabled = true\n", dir+"/meta", dir+"/data", dir+"/wal")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	listening := regexp.MustCompile(`"Listening on HTTP".* addr=(\S+)`)
	db, err := program.Start(func(line string) string {
		if found := listening.FindStringSubmatch(line); found != nil {
			return "http://" + found[1]
		}
		return ""
	}, nil, *influxd, "-config", file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Stop)
	return db
}

// startVictoriaMetrics starts a VictoriaMetrics, which serves until the end of the test, and returns its URL.
func startVictoriaMetrics(t *testing.T) string {
	t.Helper()
	address, err := program.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	db, err := program.Start(func(line string) string { // pprof is the last that it speaks of before it serves
		if strings.Contains(line, "pprof handlers are exposed") {
			return "http://" + address
		}
		return ""
	}, nil, *victoria, "-httpListenAddr", address, "-storageDataPath", t.TempDir(), "-retentionPeriod", "100y", "-search.latencyOffset", "0s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Stop)
	return db.URL
}
