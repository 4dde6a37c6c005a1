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

var influxd = flag.String("influxd", "", "the `program` of InfluxDB 1.x, for TestQueryInfluxDB")

// TestQueryInfluxDB has a plugin store rows in a real InfluxDB and ask for them. It gets what it has emitted.
func TestQueryInfluxDB(t *testing.T) {
	if *influxd == "" {
		t.Skip("make test-influx runs it, and fetches InfluxDB")
	}
	db := startInfluxDB(t)
	p := newPlace(t)
	install(t, newSourceOf(t, "asker", filepath.Join("testdata", "asker")).build(), filepath.Join(p.plugins, "asker.so"))
	file := filepath.Join(p.dir, "sohost.toml")
	config := fmt.Sprintf("[plugin.asker]\nimage = \"%s/asker.so\"\n[sink.main]\nkind = \"influx\"\nversion = 1\nurl = %q\ndatabase = \"d\"\nflush = \"10ms\"\n"+
		"[database.main]\nversion = 1\nurl = %[2]q\ndatabase = \"d\"\n", p.plugins, db.URL)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	d := p.start(t, "--config", file)
	ask := func(language, q, more string) string {
		t.Helper()
		r, err := impatient.Get(d.url + "/asker/ask?language=" + language + "&q=" + url.QueryEscape(q) + more)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	ask("influxql", "CREATE DATABASE d", "")
	if text, _ := d.get("/asker/emit"); text != "emitted" {
		t.Fatal(text)
	}
	for hang := time.Now().Add(patience); !strings.Contains(ask("influxql", "SELECT COUNT(n) FROM t", ""), "count=float:2 "); {
		if time.Now().After(hang) {
			t.Fatal("the rows are not stored")
		}
	}
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
		if got := ask("influxql", test.q, test.more); got != test.want {
			t.Errorf("%s\nreturns %q\nwant    %q", test.q, got, test.want)
		}
	}
	for _, test := range []struct{ language, q, want string }{
		{"influxql", "SELEC n FROM t", "answers 400: error parsing query: found SELEC.*; correct the query"},
		{"influxql", "SELECT n FROM other..t", "database not found: other; correct the query, or the name of the database"},
		{"sql", "SELECT 1", `InfluxDB 1 takes no "sql": set Language to influxql or flux`},
		{"flux", `from(bucket: "d")`, "answers 404: .*; correct url, version or the name of the database"}, // it is older than Flux
	} {
		if got := ask(test.language, test.q, ""); !regexp.MustCompile(test.want).MatchString(got) {
			t.Errorf("%s\nreturns %q\nwant    %q", test.q, got, test.want)
		}
	}
	d.terminate()
}

// startInfluxDB starts an InfluxDB 1.x, which serves until the end of the test.
func startInfluxDB(t *testing.T) *program.Program {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "influxdb.conf")
	config := fmt.Sprintf("reporting-disabled = true\nbind-address = \"127.0.0.1:0\"\n[meta]\ndir = %q\n[data]\ndir = %q\nwal-dir = %q\n"+
		"[http]\nbind-address = \"127.0.0.1:0\"\nlog-enabled = false\n", dir+"/meta", dir+"/data", dir+"/wal")
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
