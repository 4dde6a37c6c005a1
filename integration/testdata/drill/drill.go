// Drill counts, with a lifecycle that misbehaves as the program that loads it asks.
package main

import (
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/keep"
)

type state struct {
	Calls int
	Beats int // of the background work, which writes it without a lock: nobody else may at that time
}

// version is of the state, and decided when the image is opened; so is concurrent. Methods must not refer to them: those of
// an image that was cloned without a build run in the one that it was cloned from, since both have one type.
var (
	version, _ = strconv.Atoi(os.Getenv("DRILL_VERSION"))
	concurrent = os.Getenv("DRILL_CONCURRENT") != ""
)

// Encode makes the image large enough to be cooled: its host doesn't have the package.
var Encode = xml.Marshal

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI:              abi.Version,
	State:            keep.Prototype[state]("drill", version),
	ConcurrentExport: concurrent,
	New: func(ctx context.Context, host abi.Host) (abi.Instance, error) {
		d := &drill{Of: keep.New("drill", version, &state{}), host: host, concurrent: concurrent}
		if err := d.step(ctx, "New"); err != nil {
			return nil, err
		}
		return d, nil
	},
}

type drill struct {
	keep.Of[state]
	host       abi.Host
	concurrent bool
	mu         sync.Mutex
	quit       chan struct{}
	beat       sync.WaitGroup
	given      bool // the state is another instance's
}

// init waits while there is a file of that name, but not in the child of a probe.
func init() {
	file := os.Getenv("DRILL_INIT")
	for file != "" && !strings.Contains(os.TempDir(), "sohost-probe") {
		if _, err := os.Stat(file); err != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// step reports a lifecycle call to the host, and does what DRILL_PLUGIN_STEP in the environment asks for.
func (d *drill) step(ctx context.Context, name string) error {
	generation := abi.Column{Name: "generation", Kind: abi.Tag, Strings: []string{d.host.Generation()}}
	d.host.Emit(context.Background(), []abi.Table{{Name: name, Columns: []abi.Column{generation}}})
	switch os.Getenv("DRILL_" + d.host.Plugin() + "_" + name) {
	case "fail":
		return errors.New(name + " was told to fail")
	case "panic":
		panic(name + " was told to panic")
	case "heedless": // of the end of ctx
		<-ctx.Done()
		time.Sleep(10 * time.Millisecond)
	case "late":
		<-ctx.Done()
		time.Sleep(300 * time.Millisecond)
	}
	return nil
}

func (d *drill) Start(ctx context.Context) error {
	if err := d.step(ctx, "Start"); err != nil {
		return err
	}
	if d.concurrent {
		return nil
	}
	s, quit := d.State(), make(chan struct{})
	d.quit, d.given = quit, false
	d.beat.Go(func() {
		for {
			select {
			case <-quit:
				return
			case <-time.After(100 * time.Microsecond):
				s.Beats++
			}
		}
	})
	return nil
}

func (d *drill) Stop(ctx context.Context) error {
	if !d.concurrent {
		close(d.quit)
		d.beat.Wait()
	}
	return d.step(ctx, "Stop")
}

// Export is keep's.
func (d *drill) Export(ctx context.Context) (abi.State, error) {
	if err := d.step(ctx, "Export"); err != nil {
		return abi.State{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.given = true
	s, err := d.Of.Export(ctx)
	if d.concurrent {
		snapshot := *d.State()
		s.Value = &snapshot
	}
	return s, err
}

func (d *drill) Close() error {
	if !d.given {
		d.State().Beats++ // as a Close does that writes down what is left
	}
	return d.step(context.Background(), "Close")
}

// Count counts one call. The program that loads the plugin calls it.
func (d *drill) Count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.State().Calls++
	return d.State().Calls
}

// Calls is the count.
func (d *drill) Calls() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.State().Calls
}

func (d *drill) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Query().Get("do") {
	case "panic":
		panic("told to")
	case "abort":
		panic(http.ErrAbortHandler)
	case "hijack":
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			conn.Write([]byte("hijacked"))
			conn.Close()
		}
	case "wait":
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

func main() {}
