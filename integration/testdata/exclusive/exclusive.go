// Exclusive holds, from Start to Stop, the lock of a file that only one process can have at a time. Whenever another process
// has that lock, or a request is served without it, two processes serve one state: the plugin writes that down as a violation
// and goes on.
//
//	GET /exclusive          answers how many requests were served
//	GET /exclusive?hold=5ms does so after a while
//
// Arguments: lock, violations and events are files; fill is how many keys the state has; stretch is how long New, Export,
// Import and Start sleep, so that each can be interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/keep"
)

type state struct {
	Served int64
	Fill   map[string]int64
}

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI:   abi.Version,
	State: keep.Prototype[state]("exclusive", 1),
	New: func(_ context.Context, host abi.Host) (abi.Instance, error) {
		args := host.Args()
		e := &exclusive{lockFile: args["lock"], violations: args["violations"], events: args["events"]}
		fill, err := strconv.Atoi(args["fill"])
		if err != nil {
			return nil, err
		}
		if e.stretch, err = time.ParseDuration(args["stretch"]); err != nil {
			return nil, err
		}
		initial := &state{Fill: map[string]int64{}}
		for i := range fill {
			initial.Fill["key-"+strconv.Itoa(i)] = int64(i)
		}
		e.Of = keep.New("exclusive", 1, initial)
		time.Sleep(e.stretch)
		return e, e.write("new")
	},
}

type exclusive struct {
	keep.Of[state]
	lockFile, violations, events string
	stretch                      time.Duration

	first atomic.Bool // no request was served since Start
	mu    sync.Mutex  // guards lock and the state
	lock  *os.File    // nil unless started
}

// writeLine writes a line into a file that several processes write to.
func writeLine(file, text string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%d %s\n", os.Getpid(), text)
	return errors.Join(err, f.Close())
}

func (e *exclusive) write(event string) error { return writeLine(e.events, event) }

func (e *exclusive) violation(when string) error {
	return writeLine(e.violations, time.Now().Format(time.RFC3339Nano)+" "+when)
}

// locked asks the kernel. A lock that is held already stays.
func (e *exclusive) locked() bool {
	return e.lock != nil && syscall.Flock(int(e.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

func (e *exclusive) Start(context.Context) (err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.lock != nil {
		return e.violation("a second start")
	}
	if e.lock, err = os.OpenFile(e.lockFile, os.O_CREATE|os.O_RDWR, 0o644); err != nil {
		return err
	}
	if !e.locked() {
		err = e.violation("start: another process serves the state")
	}
	e.first.Store(true)
	err = errors.Join(err, e.write("start"))
	time.Sleep(e.stretch)
	return err
}

func (e *exclusive) Stop(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var err error
	if !e.locked() {
		err = e.violation("stop: another process serves the state")
	}
	if e.lock == nil {
		return err
	}
	// A child that is forked right now has the file until it becomes another program, and with that the lock.
	err = errors.Join(err, e.write("stop"), syscall.Flock(int(e.lock.Fd()), syscall.LOCK_UN), e.lock.Close())
	e.lock = nil
	return err
}

func (e *exclusive) Export(ctx context.Context) (abi.State, error) {
	time.Sleep(e.stretch)
	given, err := e.Of.Export(ctx)
	return given, errors.Join(err, e.write("export"))
}

func (e *exclusive) Import(ctx context.Context, given abi.State) error {
	time.Sleep(e.stretch)
	return errors.Join(e.Of.Import(ctx, given), e.write("import"))
}

// Adopt is keep's but for the time it takes.
func (e *exclusive) Adopt(value any) {
	time.Sleep(e.stretch)
	e.Of.Adopt(value)
	e.write("import") // else it is missed
}

func (e *exclusive) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if e.first.CompareAndSwap(true, false) {
		e.write("serve")
	}
	if hold, err := time.ParseDuration(r.URL.Query().Get("hold")); err == nil {
		time.Sleep(hold)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.locked() {
		e.violation("serve: without the lock")
	}
	state := e.State()
	state.Served++
	fmt.Fprintln(w, state.Served)
}

func main() {}
