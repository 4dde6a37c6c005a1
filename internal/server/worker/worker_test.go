package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/passing"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/listener"
)

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

// The test binary is its own workers. They have no plugins.
func TestMain(m *testing.M) {
	if len(os.Args) < 2 || os.Args[1] != "worker" {
		os.Exit(m.Run())
	}
	err := Run(func(format string, verbose bool) (*slog.Logger, error) {
		if format != "text" || !verbose {
			return nil, fmt.Errorf("the log's format is %s, verbose %v", format, verbose)
		}
		return slog.New(slog.NewTextHandler(os.Stderr, nil)), nil
	})
	var told *ToldError
	switch {
	case errors.As(err, &told):
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}

// place is what the workers of one server share.
type place struct {
	t        *testing.T
	store    string
	lock     *generations.Lock
	listener *net.TCPListener
	url      string
	files    int              // how many a worker may have open, unless it is 0
	other    *net.TCPListener // see more
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{t: t, store: filepath.Join(t.TempDir(), "store")}
	var err error
	if p.lock, err = generations.AcquireLock(t.Context(), p.store); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.lock.Close() })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p.listener, p.url = l.(*net.TCPListener), "http://"+l.Addr().String()
	return p
}

// child is a worker as its supervisor sees it.
type child struct {
	t      *testing.T
	link   *passing.Conn
	words  chan Word // all but Pong; closed at the end
	pongs  chan uint64
	exited chan error           // gets what Wait returns
	left   atomic.Pointer[Left] // of the last Pong
	kill   func() error
	stderr *strings.Builder
}

// start starts a worker. With more files it takes.
func (p *place) start(change func(*Start), more ...*os.File) *child {
	p.t.Helper()
	mine, theirs := pair(p.t)
	cmd := exec.Command(os.Args[0], "worker")
	if p.files != 0 {
		cmd = exec.Command("sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$0" worker`, p.files), os.Args[0])
	}
	cmd.ExtraFiles = []*os.File{theirs}
	c := &child{t: p.t, words: make(chan Word, 100), pongs: make(chan uint64,
		100), exited: make(chan error, 1), stderr: new(strings.Builder)}
	cmd.Stderr = c.stderr
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	theirs.Close()
	c.kill = cmd.Process.Kill
	p.t.Cleanup(func() { c.kill() })
	go func() { c.exited <- cmd.Wait() }()
	var err error
	if c.link, err = passing.New(mine); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.link.Close() })
	output, err := passing.MemoryFile("output")
	if err != nil {
		p.t.Fatal(err)
	}
	defer output.Close()
	socket, err := p.listener.File()
	if err != nil {
		p.t.Fatal(err)
	}
	defer socket.Close()
	start := Start{Options: sohost.Options{Store: p.store}, LogFormat: "text",
		Verbose: true, ShutdownTimeout: time.Minute, Takes: len(more) > 0}
	if change != nil {
		change(&start)
	}
	if err := c.link.Send(Order{Start: &start}, append([]*os.File{socket, p.lock.File(), output}, more...)...); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		defer close(c.words)
		for {
			var w Word
			if _, err := c.link.Receive(&w); err != nil {
				return
			}
			switch {
			case w.Pong != 0:
				c.left.Store(w.Left)
				c.pongs <- w.Pong
			case w.Events == nil:
				c.words <- w
			}
		}
	}()
	return c
}

func pair(t *testing.T) (a, b *os.File) {
	t.Helper()
	a, b, err := passing.Pair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func conn(t *testing.T, f *os.File) *passing.Conn {
	t.Helper()
	c, err := passing.New(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("no %s within %v", what, patience)
		panic("unreachable")
	}
}

func (c *child) order(o Order, files ...*os.File) {
	c.t.Helper()
	if err := c.link.Send(o, files...); err != nil {
		c.t.Fatal(err)
	}
}

// serving waits until the worker serves.
func (c *child) serving() {
	c.t.Helper()
	if w := receive(c.t, c.words, "word"); w.Serving == nil || w.Serving.Release != 0 {
		c.t.Fatalf("the worker says %+v and not that it serves", w)
	}
}

// ends waits for the end of the worker's process.
func (c *child) ends(code int) {
	c.t.Helper()
	err, got := receive(c.t, c.exited, "end of a worker"), 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	}
	if got != code {
		c.t.Errorf("the worker ends with %v, want code %d; it logged:\n%s", err, code, c.stderr)
	}
}

// ConnectControl makes a child a control.Worker.
func (c *child) ConnectControl() (net.Conn, error) { return ConnectControl(c.link) }

// get sends a request and returns the status and the body of the answer.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

// TestLife is a worker from its start to the order to finish.
func TestLife(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	c := p.start(nil)
	c.serving()
	c.order(Order{Ping: 7})
	if n := receive(t, c.pongs, "pong"); n != 7 {
		t.Errorf("the ping is answered by %d", n)
	}
	if code, body := get(t, p.url+"/x"); code != 404 || !strings.Contains(body, "no plugin has a route for /x") {
		t.Errorf("a request is answered by %d %s", code, body)
	}
	resp, err := control.Ask(t.Context(), c, "GET", "/v1/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	var s sohost.Status
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil || s.PID == 0 || s.PID == os.Getpid() {
		t.Errorf("the status is %+v, %v", s, err)
	}
	resp.Body.Close()
	c.order(Order{Finish: true})
	c.ends(0)
	if w, more := <-c.words; more {
		t.Errorf("at its end it says %+v", w)
	}
}

// TestCutOff finishes while a client is in the middle of a request, and says what became of that.
func TestCutOff(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	c := p.start(func(s *Start) { s.ShutdownTimeout = 50 * time.Millisecond })
	c.serving()
	slow := dial(t, p)
	io.WriteString(slow, "GET /slow HTTP/1.1\r\nHost: example.com\r\n")
	get(t, p.url+"/x") // accepted after that
	c.order(Order{Finish: true})
	if w := receive(t, c.words, "word"); w.Failed != "the requests that still ran after 50ms were cut off (--shutdown-timeout)" {
		t.Errorf("the worker says %+v", w)
	}
	c.ends(1)
}

// TestFailed has a worker that can't serve. It says why and ends.
func TestFailed(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	c := p.start(func(s *Start) { s.Options.OpenTimeout = -1 })
	if w := receive(t, c.words, "word"); !strings.Contains(w.Failed, "OpenTimeout is negative") {
		t.Errorf("it says %+v", w)
	}
	c.ends(1)

	c = p.start(func(s *Start) { s.LogFormat = "odd" }) // nobody is told of that: the log's options were checked before
	c.ends(3)
}

// TestOrphan loses its supervisor. A request that runs doesn't hold it up for long, and idle connections not at all.
func TestOrphan(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	c := p.start(nil)
	c.serving()
	idle, err := net.Dial("tcp", p.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	begin := time.Now()
	c.link.Close()
	c.ends(0)
	if took := time.Since(begin); took > orphanTimeout {
		t.Logf("it took %v", took) // on a slow machine
	}
}

// TestGive hands over to another worker. Connections move there; a request that isn't complete yet is answered by way of the old
// worker, which answers nothing else about plugins any more.
func TestGive(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	giver := p.start(nil)
	giver.serving()
	idle, slow := dial(t, p), dial(t, p)
	idle.get(t, "/idle")
	slow.get(t, "/slow")
	io.WriteString(slow, "GET /slow HTTP/1.1\r\nHost: example.com\r\n")
	status := func() (string, error) {
		resp, err := control.Ask(t.Context(), giver, "GET", "/v1/status", nil)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return string(b), err
	}
	if _, err := status(); err != nil {
		t.Fatal(err)
	}

	states, theirStates := pair(t)
	connections, theirConnections := pair(t)
	taker := p.start(nil, theirStates, theirConnections)
	giver.order(Order{Give: &Give{Why: "a test"}}, states, connections)
	for _, f := range []*os.File{states, connections, theirStates, theirConnections} {
		f.Close()
	}
	w := receive(t, giver.words, "word")
	if w.Given == nil || w.Given.Handover == nil || w.Given.Handover.Why != "a test" || w.Given.Error != "" {
		t.Fatalf("the giver says %+v", w.Given)
	}
	taker.serving()
	if _, err := status(); !errors.Is(err, sohost.ErrHandedOver) {
		t.Errorf("the old worker's status: %v", err)
	}
	idle.get(t, "/idle") // on the connection that moved
	io.WriteString(slow, "\r\n")
	slow.read(t, "/slow") // by way of the giver
	giver.ends(0)
	slow.get(t, "/slow")
	if code, _ := get(t, p.url+"/new"); code != 404 {
		t.Errorf("a new connection gets %d", code)
	}
	taker.order(Order{Finish: true})
	taker.ends(0)
}

// client is one keep-alive connection.
type client struct {
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, p *place) *client {
	t.Helper()
	c, err := net.Dial("tcp", p.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &client{c, bufio.NewReader(c)}
}

func (c *client) get(t *testing.T, path string) {
	t.Helper()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: example.com\r\n\r\n", path)
	c.read(t, path)
}

// read reads the answer for a path that no plugin has.
func (c *client) read(t *testing.T, path string) {
	t.Helper()
	c.SetDeadline(time.Now().Add(patience)) // for this step alone
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 404 || !strings.Contains(string(b), "no plugin has a route for "+path) || resp.Close {
		t.Errorf("%s: %d %q, %v; the connection is closed: %v", path, resp.StatusCode, b, err, resp.Close)
	}
}

// TestAbort orders a handover to a taker that never answers, and then the end of that. The worker serves on.
func TestAbort(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	c := p.start(nil)
	c.serving()
	for range 2 {
		states, theirStates := pair(t)
		connections, _ := pair(t)
		c.order(Order{Give: &Give{}}, states, connections)
		states.Close()
		var plan json.RawMessage
		if _, err := conn(t, theirStates).Receive(&plan); err != nil {
			t.Fatal(err)
		}
		c.order(Order{Abort: true})
		if w := receive(t, c.words, "word"); w.Given == nil || w.Given.Handover != nil ||
			!strings.Contains(w.Given.Error, errAbort.Error()) {
			t.Errorf("it says %+v", w.Given)
		}
		get(t, p.url)
	}
	c.order(Order{Finish: true})
	c.ends(0)
}

// TestGiveWithoutFiles has the files of an order get lost, as in a process that may open no more: the supervisor hears of it at once.
func TestGiveWithoutFiles(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	c := p.start(nil)
	c.serving()
	c.order(Order{Give: &Give{}})
	if w := receive(t, c.words, "word"); w.Given == nil || !strings.Contains(w.Given.Error, errNoFiles.Error()) {
		t.Errorf("it says %+v", w.Given)
	}
	get(t, p.url)
	c.order(Order{Finish: true})
	c.ends(0)
}

// TestReceiveStart has supervisors whose first order is none.
func TestReceiveStart(t *testing.T) {
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, test := range []struct {
		order any
		files int
		want  string
	}{
		{nil, 0, "wait for the supervisor's order to start: EOF"},
		{Order{Ping: 1}, 3, "the supervisor's first order is not the one to start"},
		{Order{Start: &Start{}}, 2, "the supervisor's order to start has 2 files, want 3"},
		{Order{Start: &Start{Takes: true}}, 4, "the supervisor's order to start has 4 files, want 5"},
		{Order{Start: &Start{}}, 3, ""},
		{Order{Start: &Start{Listeners: make([]listener.Settings, 1)}}, 3, ""},
		{Order{Start: &Start{Listeners: make([]listener.Settings, 3)}}, 6, ""},
		{Order{Start: &Start{Listeners: make([]listener.Settings, 3)}}, 5, "the supervisor's order to start has 5 files, want 6"},
		{Order{Start: &Start{Takes: true, Listeners: make([]listener.Settings, 2)}}, 7, ""},
		{Order{Start: &Start{Takes: true}}, 5, ""},
	} {
		a, b := pair(t)
		from, to := conn(t, a), conn(t, b)
		if test.order != nil {
			var files []*os.File
			for range test.files {
				files = append(files, file)
			}
			if err := from.Send(test.order, files...); err != nil {
				t.Fatal(err)
			}
		} else {
			from.Close()
		}
		start, files, err := receiveStart(to)
		passing.Close(files)
		if got := fmt.Sprint(err); test.want != "" && got != test.want || test.want == "" && (err != nil || start == nil ||
			len(files) != test.files) {
			t.Errorf("%+v with %d files: %v, want %s", test.order, test.files, err, test.want)
		}
	}
}

// TestAsk asks for handovers and gets answers.
func TestAsk(t *testing.T) {
	a, b := pair(t)
	supervisor := conn(t, b)
	w := &worker{link: conn(t, a), asks: map[uint64]chan Answer{}}
	ask := func(why string) (Ask, <-chan error) {
		t.Helper()
		done := make(chan error, 1)
		go func() { done <- w.ask(t.Context(), why) }()
		var word Word
		if _, err := supervisor.Receive(&word); err != nil || word.Ask == nil || word.Ask.Why != why {
			t.Fatalf("the supervisor gets %+v, %v", word.Ask, err)
		}
		return *word.Ask, done
	}
	one, first := ask("one")
	two, second := ask("two")
	w.answer(Answer{ID: two.ID})
	if err := receive(t, second, "answer"); err != nil {
		t.Errorf("the second is answered by %v", err)
	}
	w.answer(Answer{ID: one.ID, Error: "no"})
	if err := receive(t, first, "answer"); err == nil || err.Error() != "no" {
		t.Errorf("the first is answered by %v", err)
	}
	_, third := ask("three")
	_, fourth := ask("four")
	w.answer(Answer{Error: "another supervisor"})
	for _, done := range []<-chan error{third, fourth} {
		if err := receive(t, done, "answer"); err == nil || err.Error() != "another supervisor" {
			t.Errorf("all are answered by %v", err)
		}
	}
	w.answer(Answer{ID: 99}) // nobody asked

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errAbort)
	if err := w.ask(ctx, "five"); err != errAbort {
		t.Errorf("one that is cancelled returns %v", err)
	}
	if len(w.asks) > 0 {
		t.Errorf("%d still wait", len(w.asks))
	}
	w.link.Close()
	if err := w.ask(t.Context(), "six"); err == nil {
		t.Error("one without a supervisor succeeds")
	}
}

func TestLimit(t *testing.T) {
	for _, test := range []struct {
		shutdown time.Duration
		cause    error
		want     time.Duration
	}{
		{time.Hour, errFinish, time.Hour}, {time.Hour, errOrphan, orphanTimeout}, {time.Second, errOrphan, time.Second},
	} {
		w := &worker{start: Start{ShutdownTimeout: test.shutdown}}
		w.finish, w.end = context.WithCancelCause(t.Context())
		w.end(test.cause)
		if got := w.limit(); got != test.want {
			t.Errorf("%v, %v: %v, want %v", test.shutdown, test.cause, got, test.want)
		}
	}
}

// TestGiven is what the supervisor hears of a handover that failed over an image.
func TestGiven(t *testing.T) {
	refusal := &sohost.Refusal{Plugin: "counter"}
	if g := given(nil, fmt.Errorf("handover: %w", refusal)).Given; g.Refusal != refusal || !strings.HasPrefix(g.Error, "handover: ") {
		t.Errorf("it is %+v", g)
	}
}
