package sinks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/rows"
	"github.com/sohost/sohost/internal/fault"
	"github.com/sohost/sohost/internal/lineprotocol"
	"github.com/sohost/sohost/internal/writes"
)

// database is a server that takes writes by the endpoints of package writes, and answers as a test wants.
type database struct {
	*httptest.Server
	mu     sync.Mutex // guards the rest
	answer int        // instead of taking a write; 0 for none
	most   int        // bytes of a body, unpacked; 0 for no limit
	points map[string]int
	came   chan struct{} // gets something after each request, if there is room
}

func newDatabase(t *testing.T) *database {
	d := &database{points: map[string]int{}, came: make(chan struct{}, 1)}
	taken := func(_ context.Context, w writes.Write) error {
		lineprotocol.Each(w.Tables, func(line []byte) { d.points[w.Database+" "+string(line)]++ })
		return nil
	}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		defer d.mu.Unlock()
		defer func() {
			select {
			case d.came <- struct{}{}:
			default:
			}
		}()
		if d.answer != 0 {
			http.Error(w, "as the test wants it", d.answer)
			return
		}
		writes.New(writes.Options{Accept: taken, Tokens: []string{"secret"}, BodyLimit: int64(d.most)}).ServeHTTP(w, r)
	}))
	t.Cleanup(d.Server.Close)
	return d
}

func (d *database) set(answer, most int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer, d.most = answer, most
}

// await waits until the database has that many points, each once.
func (d *database) await(t *testing.T, n int) {
	t.Helper()
	hang := time.After(30 * time.Second)
	for {
		d.mu.Lock()
		have := len(d.points)
		for line, times := range d.points {
			if times != 1 {
				t.Errorf("%d times %q", times, line)
			}
		}
		d.mu.Unlock()
		if have == n {
			return
		}
		select {
		case <-d.came:
		case <-hang:
			t.Fatalf("it has %d points, want %d", have, n)
		}
	}
}

func sink(t *testing.T, url, dir string, version int, log hearing) Sink {
	t.Helper()
	s, err := NewInflux(InfluxOptions{
		URL: url, Version: version, Database: "d", Token: "secret", Spool: dir, Flush: time.Millisecond, Logger: slog.New(log),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

// emit writes n rows that no other call writes.
func emit(t *testing.T, s Sink, n int) {
	t.Helper()
	var b rows.Builder
	for range n {
		b.Row("t").Tag("k", "v").Int("n", 1).AtNano(emitted.next())
	}
	if err := s.Write(t.Context(), b.Tables()); err != nil {
		t.Fatal(err)
	}
}

type counter struct {
	mu sync.Mutex
	n  int64
}

func (c *counter) next() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return c.n
}

var emitted counter

// TestInflux writes by each version of the endpoint, while the database is up, down, and up again, and from one process to the next.
func TestInflux(t *testing.T) {
	for version := 1; version <= 3; version++ {
		d, dir := newDatabase(t), t.TempDir()
		log := make(hearing, 9)
		first := sink(t, d.URL, dir, version, log)
		for range 20 {
			emit(t, first, 5)
		}
		d.await(t, 100)
		d.set(http.StatusServiceUnavailable, 0)
		emit(t, first, 50)
		if text := <-log; !strings.Contains(text, "wait on disk") {
			t.Errorf("the log has %q", text)
		}
		if st := first.Status(); st.Error == "" || st.Failing.IsZero() || st.Spooled == 0 || st.Accepted != 150 || st.Stored != 100 {
			t.Errorf("while the database is down: %+v", st)
		}
		second := sink(t, d.URL, dir, version, log) // of the next process, in a handover
		emit(t, second, 10)
		emit(t, first, 1)
		if err := first.Close(t.Context()); err != nil {
			t.Error(err)
		}
		d.set(0, 0)
		d.await(t, 161)
		if err := second.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if st := second.Status(); st.Stored != 61 || st.Error != "" {
			t.Errorf("at the end: %+v", st)
		}
	}
}

// TestTooLarge has a database that takes small bodies only.
func TestTooLarge(t *testing.T) {
	d := newDatabase(t)
	d.set(0, chunkSize)
	s := sink(t, d.URL, t.TempDir(), 3, make(hearing, 9))
	emit(t, s, 10_000) // some 300 KB
	d.await(t, 10_000)
}

// hearing is a log whose records are events.
type hearing chan string

func (hearing) Enabled(context.Context, slog.Level) bool { return true }
func (h hearing) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h hearing) WithGroup(string) slog.Handler          { return h }

func (h hearing) Handle(_ context.Context, r slog.Record) error {
	h <- r.Message
	return nil
}

// TestSpoolUnread has a spool that can't be read for a moment. The sink says so, and goes on.
func TestSpoolUnread(t *testing.T) {
	d := newDatabase(t)
	heard := make(hearing, 10)
	s := sink(t, d.URL, t.TempDir(), 3, heard)
	var lists atomic.Int64
	restore := fault.Set(func(kind, what string) (fault.Action, time.Duration) {
		if kind == "spool" && what == "list" && lists.Add(1) == 1 {
			return fault.Fail, 0
		}
		return fault.None, 0
	})
	defer restore()
	emit(t, s, 3)
	d.await(t, 3)
	if told := <-heard; !strings.Contains(told, "a sink fails") {
		t.Errorf("it says %q", told)
	}
}

// TestRefusedRows has a database that refuses what it gets: it is dropped and told, and the next rows are stored.
func TestRefusedRows(t *testing.T) {
	d := newDatabase(t)
	d.set(http.StatusBadRequest, 0)
	refused := make(hearing, 1)
	s, err := NewInflux(InfluxOptions{
		URL: d.URL, Version: 2, Database: "d", Token: "secret", Spool: t.TempDir(), Flush: time.Millisecond, Logger: slog.New(refused),
	})
	if err != nil {
		t.Fatal(err)
	}
	emit(t, s, 3)
	<-refused
	if st := s.Status(); st.Refused != 3 || !strings.Contains(st.Error, "as the test wants it") {
		t.Errorf("after a refusal: %+v", st)
	}
	d.set(0, 0)
	emit(t, s, 4)
	d.await(t, 4)
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if st := s.Status(); st.Stored != 4 || st.Error != "" {
		t.Errorf("at the end: %+v", st)
	}
}

// TestSpoolFull fills the spool of a sink whose database is away.
func TestSpoolFull(t *testing.T) {
	s, err := NewInflux(InfluxOptions{
		URL: "http://127.0.0.1:1", Version: 1, Database: "d", Spool: t.TempDir(), SpoolLimit: 1000, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	accepted := 0
	table := []abi.Table{{Name: "t", Columns: []abi.Column{{Name: "s", Kind: abi.String, Strings: []string{strings.Repeat("x", 100)}}}}}
	for err == nil {
		if err = s.Write(t.Context(), table); err == nil {
			accepted++
		}
	}
	if st := s.Status(); !errors.Is(err, ErrFull) || accepted < 5 || st.Accepted != uint64(accepted) {
		t.Errorf("after %d rows: %v, %+v", accepted, err, st)
	}
}

func TestInfluxOptions(t *testing.T) {
	for _, o := range []InfluxOptions{
		{URL: "localhost:8086", Version: 1, Database: "d"},
		{URL: "ftp://x", Version: 1, Database: "d"},
		{URL: "http://x", Version: 4, Database: "d"},
		{URL: "http://x", Version: 1},
		{URL: "http://%", Version: 1, Database: "d"},
	} {
		o.Spool = t.TempDir()
		if s, err := NewInflux(o); err == nil {
			s.Close(t.Context())
			t.Errorf("%+v is accepted", o)
		}
	}
	s, err := NewInflux(InfluxOptions{URL: "http://u:secret@x/base", Version: 2, Database: "b c", Org: "o", Spool: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	if st := s.Status(); st.Target != "http://u:xxxxx@x/base/api/v2/write?bucket=b+c&org=o&precision=ns" {
		t.Errorf("it is %+v", st)
	}
}

// TestRecord goes through records of all sizes, and damaged ones.
func TestRecord(t *testing.T) {
	for _, n := range []int{0, 1, 1000, 20_000} {
		var b rows.Builder
		for range n {
			b.Row("t").String("s", "a\nb").AtNano(1)
		}
		var r record
		if lacking := r.add(b.Tables()); lacking != 0 || r.lines != n {
			t.Errorf("%d lines, %d lacking, of %d", r.lines, lacking, n)
		}
		encoded := r.encode()
		chunks, err := decode(encoded)
		if err != nil || fmt.Sprint(chunks) != fmt.Sprint(r.chunks) {
			t.Errorf("%d lines: decoded as %d chunks, %v", n, len(chunks), err)
		}
		for cut := range min(len(encoded), 100) {
			if chunks, err := decode(encoded[:len(encoded)-1-cut]); err == nil && len(chunks) >= len(r.chunks) {
				t.Errorf("without its last %d bytes it is decoded", cut+1)
			}
		}
	}
}

// TestFile writes to a file from two processes, here sinks, while it is renamed.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "points.lp")
	var writing sync.WaitGroup
	const each = 200
	for range 2 {
		s, err := NewFile(FileOptions{Path: path, Rotate: 4 << 10, Keep: 100, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		writing.Go(func() {
			for range each {
				emit(t, s, 2)
			}
			if st := s.Status(); st.Stored != 2*each {
				t.Errorf("at the end: %+v", st)
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	writing.Wait()
	files, _ := filepath.Glob(path + "*")
	seen := map[string]bool{}
	for _, f := range files {
		for line := range strings.Lines(read(t, f)) {
			if seen[line] || !strings.HasSuffix(line, "\n") {
				t.Errorf("%s has %q", f, line)
			}
			seen[line] = true
		}
	}
	if len(seen) != 4*each || len(files) < 4 {
		t.Errorf("%d lines in %d files", len(seen), len(files))
	}
}

// TestTornFile writes to a file that ends within a line, as a full disk leaves it: after a failed write, and after that of another process.
func TestTornFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "points.lp")
	tear := func() {
		t.Helper()
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err == nil {
			_, err = f.WriteString("t,k=v n=")
		}
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	tear()
	s, err := NewFile(FileOptions{Path: path, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	emit(t, s, 1)
	f := s.(*file)
	f.f.Close()
	if f.f, err = os.Open(path); err != nil { // which can't be written to
		t.Fatal(err)
	}
	var b rows.Builder
	b.Row("t").Int("n", 1)
	if err := s.Write(t.Context(), b.Tables()); err == nil {
		t.Error("it was written")
	}
	tear()
	emit(t, s, 2)
	lines := 0
	for line := range strings.Lines(read(t, path)) {
		if line != "t,k=v n=\n" && !(strings.HasPrefix(line, "t,k=v n=1i ") && strings.Count(line, "t,") == 1) {
			t.Errorf("a line is %q", line)
		}
		lines++
	}
	if st := s.Status(); lines != 5 || st.Stored != 3 {
		t.Errorf("%d lines; status: %+v", lines, st)
	}
}

// TestFileFails writes to a file on a full disk. Status says since when, and why.
func TestFileFails(t *testing.T) {
	s, err := NewFile(FileOptions{Path: "/dev/full", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	var b rows.Builder
	b.Row("t").Int("n", 1)
	if err := s.Write(t.Context(), b.Tables()); err == nil {
		t.Error("it was written")
	}
	if st := s.Status(); st.Failing.IsZero() || st.Attempts != 1 || !strings.Contains(st.Error, "no space") || st.Accepted != 0 {
		t.Errorf("status: %+v", st)
	}
}

// TestLog checks that a row is a line of the log.
func TestLog(t *testing.T) {
	var out strings.Builder
	s := NewLog(slog.New(slog.NewTextHandler(&out, nil)))
	emit(t, s, 2)
	if text := out.String(); strings.Count(text, "line=\"t,k=v n=1i ") != 2 || s.Status().Stored != 2 || s.Close(t.Context()) != nil {
		t.Errorf("the log has %s", text)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
