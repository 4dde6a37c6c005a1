package supervisor

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/worker"
)

const (
	// patience bounds every wait for something that must happen.
	patience = 30 * time.Second

	// never is a limit that no test reaches.
	never = time.Hour
)

// receive waits for an element of a channel.
func receive[T any](t testing.TB, from <-chan T, what string) (T, bool) {
	t.Helper()
	select {
	case v, ok := <-from:
		return v, ok
	case <-time.After(patience):
		t.Fatalf("no %s within %v", what, patience)
		panic("unreachable")
	}
}

// stage is a supervisor with puppets.
type stage struct {
	t       testing.TB
	dir     string
	s       *Supervisor
	client  *control.Client
	workers chan *puppet // as they begin
	hangUp  func()       // ends them
	log     *journal
	stop    context.CancelFunc // the supervisor
	ended   chan struct{}      // closed after Run
	err     error              // what Run returned
	deaf    atomic.Int64       // the process id of a worker that hasn't answered for too long
}

// newStage makes a supervisor that is not running yet. No limit of it is ever reached, unless set says so.
func newStage(t *testing.T, set func(*Options, *limits)) *stage {
	t.Helper()
	dir, err := os.MkdirTemp("", "sup-") // t.TempDir may be too deep for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	st := &stage{t: t, dir: dir, workers: make(chan *puppet, 100), log: newJournal(t), ended: make(chan struct{})}
	st.hangUp = direct(t, dir, st.workers)
	path := filepath.Join(dir, "c.sock")
	orders, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	public, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lock, err := generations.AcquireLock(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	options := Options{
		Listeners: []Listener{{Name: "http", Listener: public}}, Control: orders, Lock: lock, Log: slog.New(st.log),
		Own:   Own{ControlPath: path, HangTimeout: never, HandoverTimeout: never},
		Start: worker.Start{Options: sohost.Options{Store: dir}, ShutdownTimeout: never},
	}
	l := limits{beat: 10 * time.Millisecond, grace: never, death: never, last: never, settled: never, maxPause: never, lean: 1 << 40}
	if set != nil {
		set(&options, &l)
	}
	st.s, st.client = New(options), control.NewClient(path)
	st.s.limits = l
	st.s.limits.silence = func(p *process) time.Duration {
		if st.deaf.Load() == int64(p.pid) {
			return never
		}
		return p.silence()
	}
	t.Cleanup(func() {
		lock.Close()
		public.Close()
		orders.Close()
	})
	return st
}

// direct accepts puppets whose store is dir, until the test ends. The function returned ends those that are there.
func direct(t *testing.T, dir string, workers chan<- *puppet) (hangUp func()) {
	director, err := net.Listen("unix", filepath.Join(dir, "director"))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all []*puppet
	hangUp = func() {
		mu.Lock()
		defer mu.Unlock()
		for _, p := range all {
			p.conn.Close() // puppets end when nobody directs them
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := director.Accept()
			if err != nil {
				return
			}
			p := newPuppet(t, conn)
			mu.Lock()
			all = append(all, p)
			mu.Unlock()
			workers <- p
		}
	}()
	t.Cleanup(func() {
		director.Close()
		<-done
		hangUp()
	})
	return hangUp
}

// run runs the supervisor until stop or the test's end.
func (st *stage) run() {
	ctx, cancel := context.WithCancel(context.Background())
	st.stop = cancel
	go func() {
		st.err = st.s.Run(ctx)
		close(st.ended)
	}()
	st.t.Cleanup(func() {
		cancel()
		for deadline := time.Now().Add(patience); ; {
			st.hangUp()
			select {
			case <-st.ended:
				return
			case <-time.After(time.Millisecond):
			}
			if time.Now().After(deadline) {
				st.t.Errorf("the supervisor doesn't end; its log:\n%s", st.log)
				return
			}
		}
	})
}

// worker returns the next worker that has begun.
func (st *stage) worker() *puppet {
	st.t.Helper()
	p, _ := receive(st.t, st.workers, "worker")
	return p
}

// deafen has a worker answer no more, and the supervisor find that too long. How long others take, on a busy machine, doesn't count.
func (st *stage) deafen(p *puppet) {
	st.t.Helper()
	p.do(command{Deaf: true})
	st.deaf.Store(int64(p.pid))
}

// hangAfter changes how long a worker may fail to answer.
func (st *stage) hangAfter(d time.Duration) {
	own := *st.s.own.Load()
	own.HangTimeout = d
	st.s.own.Store(&own)
}

// start runs the supervisor and has its first worker serve.
func (st *stage) start() *puppet {
	st.t.Helper()
	st.run()
	p := st.worker()
	p.serve(1)
	st.await(func(s control.Status) bool { return s.Worker != nil })
	return p
}

// end waits until Run has returned, and returns its error.
func (st *stage) end() error {
	st.t.Helper()
	receive(st.t, st.ended, "end of the supervisor")
	return st.err
}

func (st *stage) status() control.Status {
	st.t.Helper()
	s, err := st.client.Status(st.t.Context())
	if err != nil {
		st.t.Fatalf("status: %v; the log:\n%s", err, st.log)
	}
	return s
}

// await returns the first status that is as wanted.
func (st *stage) await(wanted func(control.Status) bool) control.Status {
	st.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		s, err := st.client.Status(st.t.Context())
		if err == nil && wanted(s) {
			return s
		}
		if time.Now().After(deadline) {
			st.t.Fatalf("the status is %+v, %v; the log:\n%s", s, err, st.log)
		}
	}
}

// handed is the result of a request for a handover.
type handed struct {
	h   sohost.Handover
	err error
}

// handover asks for a handover.
func (st *stage) handover(r control.HandoverRequest) <-chan handed {
	done := make(chan handed, 1)
	go func() {
		h, err := st.client.Handover(context.Background(), r)
		done <- handed{h, err}
	}()
	return done
}

// awaitRequests waits until n requests wait for the supervisor or for its answer. No other test may run meanwhile.
func (st *stage) awaitRequests(n int) {
	st.t.Helper()
	st.awaitGoroutines(n, "[select", "(*Supervisor).request(")
}

// awaitGoroutines waits until n goroutines are in a state, such as [select, and have the function on their stack.
func (st *stage) awaitGoroutines(n int, in, function string) {
	st.t.Helper()
	stacks := make([]byte, 4<<20)
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		text, found := stacks[:runtime.Stack(stacks, true)], 0
		for g := range strings.SplitSeq(string(text), "\n\n") {
			if state, _, _ := strings.Cut(g, "\n"); strings.Contains(state, in) && strings.Contains(g, function) {
				found++
			}
		}
		if found >= n {
			return
		}
		if time.Now().After(deadline) {
			st.t.Fatalf("not %d but %d goroutines wait in %s; the log:\n%s\nand the goroutines:\n%s", n, found, function, st.log, text)
		}
	}
}

// statusOf is what a worker says that serves a release.
func statusOf(release int) string {
	b, _ := json.Marshal(sohost.Status{Release: release, Plugins: []sohost.PluginStatus{{Name: fmt.Sprintf("p%d", release)}}})
	return string(b)
}

// journal keeps the log.
type journal struct {
	t     testing.TB
	mu    sync.Mutex // guards lines, woken
	lines []string
	woken chan struct{} // closed and replaced with each line
}

func newJournal(t testing.TB) *journal { return &journal{t: t, woken: make(chan struct{})} }

func (j *journal) Enabled(context.Context, slog.Level) bool { return true }
func (j *journal) WithAttrs([]slog.Attr) slog.Handler       { return j }
func (j *journal) WithGroup(string) slog.Handler            { return j }

func (j *journal) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		return true
	})
	j.add(b.String())
	return nil
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
	close(j.woken)
	j.woken = make(chan struct{})
}

// await waits for a line that contains text, and returns it.
func (j *journal) await(text string) string {
	j.t.Helper()
	timeout := time.After(patience)
	for {
		j.mu.Lock()
		i, woken := slices.IndexFunc(j.lines, func(l string) bool { return strings.Contains(l, text) }), j.woken
		var line string
		if i >= 0 {
			line = j.lines[i]
		}
		j.mu.Unlock()
		if i >= 0 {
			return line
		}
		select {
		case <-woken:
		case <-timeout:
			j.t.Fatalf("%q is not logged within %v; the log:\n%s", text, patience, j)
		}
	}
}

// has reports whether a line contains text.
func (j *journal) has(text string) bool { return strings.Contains(j.String(), text) }

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, "\n")
}

func slogOf(j *journal) *slog.Logger { return slog.New(j) }

// notAFile is a listener that has no open file.
type notAFile struct{ net.Listener }
