package supervisor

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/inflight"
	"github.com/sohost/sohost/internal/passing"
	"github.com/sohost/sohost/internal/server/conns"
	"github.com/sohost/sohost/internal/server/worker"
)

// A puppet is a worker that does what the test says. It speaks the protocol of the link; the test's end of it is puppet.

// event is what a puppet reports.
type event struct {
	PID   int           `json:"pid,omitempty"`   // the first event's
	Order *worker.Order `json:"order,omitempty"` // all but Ping and Control
	Files int           `json:"files,omitempty"` // that came with the order

	// Of a Start order.
	Address string `json:"address,omitempty"` // of the listening socket
	Lock    uint64 `json:"lock,omitempty"`    // its inode

	Read *string `json:"read,omitempty"` // what the giver wrote to one of the sockets of a taker
}

// command is what a test tells a puppet to do.
type command struct {
	Say    *worker.Word `json:"say,omitempty"`
	Output string       `json:"output,omitempty"` // write that to the crash output
	Calls  string       `json:"calls,omitempty"`  // be in a call of a plugin of that name
	Exit   *int         `json:"exit,omitempty"`
	Signal int          `json:"signal,omitempty"` // send itself that
	Deaf   bool         `json:"deaf,omitempty"`   // answer no pings from now on
	Tough  bool         `json:"tough,omitempty"`  // ignore SIGQUIT

	Left *worker.Left `json:"left,omitempty"` // say that in each answer to a ping

	// Status and Body answer whatever is asked on the control socket.
	Status int    `json:"status,omitempty"`
	Body   string `json:"body,omitempty"`
}

// bePuppet is the worker process.
func bePuppet() {
	link, err := passing.New(os.NewFile(worker.LinkFile, "link"))
	if err != nil {
		os.Exit(90)
	}
	var first worker.Order
	files, err := link.Receive(&first)
	if err != nil || first.Start == nil {
		os.Exit(91)
	}
	director, err := net.Dial("unix", filepath.Join(first.Start.Options.Store, "director"))
	if err != nil {
		os.Exit(92)
	}
	events := json.NewEncoder(director)
	began := event{PID: os.Getpid(), Order: &first, Files: len(files)}
	if l, err := net.FileListener(files[0]); err == nil {
		began.Address = l.Addr().String()
	}
	debug.SetCrashOutput(files[2], debug.CrashOptions{})
	if null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		syscall.Dup3(int(null.Fd()), 2, 0) // nobody wants to read the stacks
	}
	var stat syscall.Stat_t
	syscall.Fstat(int(files[1].Fd()), &stat)
	began.Lock = stat.Ino
	events.Encode(began)

	var deaf atomic.Bool
	var left atomic.Pointer[worker.Left]
	var reply atomic.Pointer[command]
	told := make(chan struct{}) // closed with the first reply
	reached := sync.OnceFunc(func() { close(told) })
	queue := conns.NewQueue(&net.UnixAddr{Name: "control"})
	go http.Serve(queue, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if first.Start.Takes { // once the giver has given, it may be asked before it has read the test's command
			select {
			case <-told:
			case <-r.Context().Done():
			}
		}
		if c := reply.Load(); c != nil {
			w.WriteHeader(c.Status)
			io.WriteString(w, c.Body)
			return
		}
		panic(http.ErrAbortHandler)
	}))
	reads := make(chan string)
	calls := 3
	if first.Start.Takes {
		calls = 5
	}
	for _, f := range files[3:calls] {
		go func() {
			b, _ := io.ReadAll(f)
			reads <- string(b)
		}()
	}
	orders := make(chan event)
	go func() {
		for {
			var o worker.Order
			files, err := link.Receive(&o)
			if err != nil {
				os.Exit(0) // the supervisor is gone
			}
			switch {
			case o.Ping != 0:
				if !deaf.Load() {
					link.Send(worker.Word{Pong: o.Ping, Left: left.Load()})
				}
			case o.Room:
			case o.Control:
				c, _ := net.FileConn(files[0])
				queue.Push(c)
			case o.Give != nil:
				files[0].WriteString("states")
				files[1].WriteString("connections")
				fallthrough
			default:
				orders <- event{Order: &o, Files: len(files)}
			}
			passing.Close(files)
		}
	}()
	commands := make(chan command)
	go func() {
		for d := json.NewDecoder(director); ; {
			var c command
			if d.Decode(&c) != nil {
				os.Exit(93) // the test is over
			}
			commands <- c
		}
	}()
	for {
		select {
		case e := <-orders:
			events.Encode(e)
		case text := <-reads:
			events.Encode(event{Read: &text})
		case c := <-commands:
			files[2].WriteString(c.Output)
			if c.Calls != "" {
				table, err := inflight.NewTable(files[calls])
				if err != nil {
					os.Exit(94)
				}
				table.Claim(c.Calls, generations.ID{1}).Enter(inflight.New)
			}
			if c.Left != nil {
				left.Store(c.Left)
			}
			if c.Tough {
				signal.Ignore(syscall.SIGQUIT)
			}
			if c.Deaf {
				deaf.Store(true)
			}
			if c.Status != 0 {
				reply.Store(&c)
				reached()
			}
			if c.Say != nil {
				link.Send(c.Say)
			}
			if c.Signal != 0 {
				syscall.Kill(os.Getpid(), syscall.Signal(c.Signal))
			}
			if c.Exit != nil {
				os.Exit(*c.Exit)
			}
		}
	}
}

// puppet is a worker as the test sees it.
type puppet struct {
	t        testing.TB
	conn     net.Conn
	pid      int
	began    event
	events   chan event // closed at its end
	commands *json.Encoder
}

func newPuppet(t testing.TB, conn net.Conn) *puppet {
	p := &puppet{t: t, conn: conn, events: make(chan event, 100), commands: json.NewEncoder(conn)}
	d := json.NewDecoder(conn)
	if err := d.Decode(&p.began); err != nil {
		t.Errorf("a worker doesn't say who it is: %v", err)
	}
	p.pid = p.began.PID
	go func() {
		defer close(p.events)
		for {
			var e event
			if d.Decode(&e) != nil {
				return
			}
			p.events <- e
		}
	}()
	return p
}

func (p *puppet) do(c command) {
	p.t.Helper()
	if err := p.commands.Encode(c); err != nil {
		p.t.Fatalf("worker %d is gone: %v", p.pid, err)
	}
}

func (p *puppet) say(w worker.Word) { p.t.Helper(); p.do(command{Say: &w}) }

// serve has the puppet serve a release.
func (p *puppet) serve(release int) {
	p.t.Helper()
	p.do(command{Status: 200, Body: statusOf(release)})
	p.say(worker.Word{Serving: &worker.Serving{Release: release}})
}

func (p *puppet) exit(code int) { p.t.Helper(); p.do(command{Exit: &code}) }

// crash ends the puppet as a panic would.
func (p *puppet) crash(output string) {
	p.t.Helper()
	code := 2
	p.do(command{Output: output, Exit: &code})
}

// next returns the next event.
func (p *puppet) next() event {
	p.t.Helper()
	e, ok := receive(p.t, p.events, "an order")
	if !ok {
		p.t.Fatalf("worker %d has ended", p.pid)
	}
	return e
}

// nextOrder returns the next event that is an order.
func (p *puppet) nextOrder() event {
	p.t.Helper()
	for {
		if e := p.next(); e.Order != nil {
			return e
		}
	}
}

func (p *puppet) order() worker.Order { p.t.Helper(); return *p.nextOrder().Order }

// give returns the next order, which must be to give.
func (p *puppet) give() worker.Give {
	p.t.Helper()
	e := p.nextOrder()
	if e.Order.Give == nil || e.Files != 2 {
		p.t.Fatalf("worker %d gets the order %+v with %d files, want the one to give with two", p.pid, e.Order, e.Files)
	}
	return *e.Order.Give
}

// given reports that the puppet has given everything to another one.
func (p *puppet) given(taker *puppet) {
	p.t.Helper()
	p.say(worker.Word{Given: &worker.Given{Handover: &sohost.Handover{Giver: p.pid, Taker: taker.pid}}})
}

// gone waits for the end of the puppet's process.
func (p *puppet) gone() {
	p.t.Helper()
	for {
		if _, more := receive(p.t, p.events, "the end of a worker"); !more {
			return
		}
	}
}
