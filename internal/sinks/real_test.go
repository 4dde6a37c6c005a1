package sinks

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/sohost/sohost/abi/rows"
	"github.com/sohost/sohost/internal/program"
)

var (
	influxd  = flag.String("influxd", "", "the `program` of InfluxDB 1.x")
	victoria = flag.String("victoria", "", "the `program` of VictoriaMetrics")
	down     = flag.Duration("down", 2*time.Second, "how long a database is stopped")
)

// realDatabase is a server that a test starts and stops.
type realDatabase struct {
	start func(addr, dir string) *exec.Cmd
	ready string                                       // path that answers 2xx when it serves
	count func(t *testing.T, base string) (n, sum int) // the rows of table t that it has, and the sum of the fields n
}

// get returns the body of an answer.
func get(t *testing.T, url string) []byte {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode/100 != 2 {
		t.Fatalf("%s: %d %s %v", url, answer.StatusCode, b, err)
	}
	return b
}

func influxDB(t *testing.T) realDatabase {
	if *influxd == "" {
		t.Skip("make test-influx runs it, and fetches InfluxDB")
	}
	return realDatabase{
		start: func(addr, dir string) *exec.Cmd {
			config := fmt.Sprintf("reporting-disabled = true\nbind-address = \"127.0.0.1:0\"\n[meta]\ndir = %q\n[data]\ndir = %q\nwal-dir = %q\n"+
				"[http]\nbind-address = %q\nlog-enabled = false\n", dir+"/meta", dir+"/data", dir+"/wal", addr)
			file := filepath.Join(dir, "influxdb.conf")
			if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			return exec.Command(*influxd, "-config", file)
		},
		ready: "/ping",
		count: func(t *testing.T, base string) (n, sum int) {
			var answer struct {
				Results []struct{ Series []struct{ Values [][]any } }
			}
			q := url.Values{"db": {"d"}, "q": {"SELECT COUNT(n), SUM(n) FROM t"}}
			if err := json.Unmarshal(get(t, base+"/query?"+q.Encode()), &answer); err != nil {
				t.Fatal(err)
			}
			if len(answer.Results) == 0 || len(answer.Results[0].Series) == 0 {
				return 0, 0
			}
			v := answer.Results[0].Series[0].Values[0]
			return int(v[1].(float64)), int(v[2].(float64))
		},
	}
}

func victoriaMetrics(t *testing.T) realDatabase {
	if *victoria == "" {
		t.Skip("make test-influx runs it, and fetches VictoriaMetrics")
	}
	return realDatabase{
		start: func(addr, dir string) *exec.Cmd {
			return exec.Command(*victoria, "-httpListenAddr", addr, "-storageDataPath", dir, "-retentionPeriod", "100y", "-loggerLevel", "ERROR")
		},
		ready: "/health",
		count: func(t *testing.T, base string) (n, sum int) {
			get(t, base+"/internal/force_flush")
			d := json.NewDecoder(bytes.NewReader(get(t, base+"/api/v1/export?match[]=t_n")))
			for d.More() {
				var series struct{ Values []float64 }
				if err := d.Decode(&series); err != nil {
					t.Fatal(err)
				}
				for _, v := range series.Values {
					n++
					sum += int(v)
				}
			}
			return n, sum
		},
	}
}

// TestReal emits rows at a steady pace while the database is stopped and started again. What it has in the end is what was emitted.
func TestReal(t *testing.T) {
	for name, of := range map[string]func(*testing.T) realDatabase{"influxdb": influxDB, "victoria-metrics": victoriaMetrics} {
		for _, version := range []int{1, 2} {
			if name == "influxdb" && version == 2 {
				continue // 1.7 is older than the endpoint
			}
			t.Run(fmt.Sprintf("%s/v%d", name, version), func(t *testing.T) { outlasts(t, of(t), version) })
		}
	}
}

func outlasts(t *testing.T, d realDatabase, version int) {
	addr, err := program.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	dir, base := t.TempDir(), "http://"+addr
	stop := launch(t, d, addr, dir)
	if d.ready == "/ping" {
		answer, err := http.PostForm(base+"/query", url.Values{"q": {"CREATE DATABASE d"}})
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
	}
	s, err := NewInflux(InfluxOptions{
		URL: base, Version: version, Database: "d", Spool: t.TempDir(), Flush: 10 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	wantN, wantSum, at := 0, 0, time.Now().Add(-time.Hour).Truncate(time.Second)
	emit := func(n int) {
		var b rows.Builder
		for range n {
			wantN++
			wantSum += wantN
			b.Row("t").Tag("k", fmt.Sprint(wantN%7)).Int("n", int64(wantN)).At(at.Add(time.Duration(wantN) * 10 * time.Millisecond))
		}
		if err := s.Write(t.Context(), b.Tables()); err != nil {
			t.Fatal(err)
		}
	}
	for range 50 {
		emit(20)
	}
	stop()
	pace := time.NewTicker(*down / 50)
	defer pace.Stop()
	for range 50 {
		emit(20)
		<-pace.C
	}
	if st := s.Status(); st.Failing.IsZero() {
		t.Errorf("while the database is stopped: %+v", st)
	}
	launch(t, d, addr, dir)
	for range 50 {
		emit(20)
	}
	hang := time.Now().Add(2 * time.Minute)
	for n, sum := d.count(t, base); n != wantN || sum != wantSum; n, sum = d.count(t, base) {
		if time.Now().After(hang) {
			t.Fatalf("it has %d rows with the sum %d, want %d and %d; the sink: %+v", n, sum, wantN, wantSum, s.Status())
		}
		time.Sleep(50 * time.Millisecond) // a database tells nobody that it has got something
	}
	t.Logf("%d rows, %v of them while the database was stopped for %v: all are there, the sum is %d", wantN, 50*20, *down, wantSum)
}

// launch starts a database, and returns once it serves.
func launch(t *testing.T, d realDatabase, addr, dir string) (stop func()) {
	t.Helper()
	cmd := d.start(addr, dir)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = func() {
		cmd.Process.Signal(os.Interrupt) // killed, VictoriaMetrics forgets what it has acknowledged in the last seconds
		cmd.Wait()
	}
	t.Cleanup(stop)
	hang := time.Now().Add(time.Minute)
	for {
		answer, err := http.Get("http://" + addr + d.ready)
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode/100 == 2 {
				return stop
			}
		}
		if time.Now().After(hang) {
			stop()
			t.Fatalf("it doesn't serve: %v\n%s", err, out.String())
		}
		time.Sleep(50 * time.Millisecond) // until it listens there is no event
	}
}
