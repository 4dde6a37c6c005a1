package triggers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
)

// rig is an engine whose plugins are one instance of the test's.
type rig struct {
	*Engine
	t     *testing.T
	store *generations.Store

	shelf *shelf // the backlog; nil for none; not changed once an engine is made
	saves func() // called when the engine saves its state; not changed once an engine is made

	absent   cell[error] // why no plugin can be called
	stateful cell[bool]  // checkpoints keep what plugins make of writes
	handle   cell[func(ctx context.Context, b *abi.Batch) error]
	schedule cell[func(ctx context.Context, t abi.Tick) error]
	wanted   cell[string] // the plugin of which a checkpoint was asked for last

	log logBuffer

	mu    sync.Mutex // guards calls
	calls []string
}

// cell is a value that a test changes beside an engine that runs.
type cell[T any] struct {
	mu sync.Mutex
	v  T
}

func (c *cell[T]) set(v T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.v = v
}

func (c *cell[T]) get() T {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.v
}

// logBuffer is what an engine logs.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *logBuffer) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf.Reset()
}

func (r *rig) HandleBatch(ctx context.Context, b *abi.Batch) error {
	var tables []string
	for _, t := range b.Tables {
		tables = append(tables, fmt.Sprintf("%s:%d", t.Name, rowsOf(&t)))
	}
	r.mu.Lock()
	r.calls = append(r.calls, fmt.Sprintf("%s %s %d/%d", b.Trigger.Name, strings.Join(tables, "+"), b.Seq, b.Attempt))
	r.mu.Unlock()
	if handle := r.handle.get(); handle != nil {
		return handle(ctx, b)
	}
	return nil
}

func (r *rig) HandleSchedule(ctx context.Context, t abi.Tick) error {
	r.mu.Lock()
	r.calls = append(r.calls, fmt.Sprintf("%s %s/%d-%d", t.Trigger.Name, t.Due.Format("15:04:05.0"), t.Attempt, t.Skipped))
	r.mu.Unlock()
	if schedule := r.schedule.get(); schedule != nil {
		return schedule(ctx, t)
	}
	return nil
}

func newRig(t *testing.T) *rig {
	store, err := generations.OpenStore(t.TempDir(), generations.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return &rig{t: t, store: store}
}

// engine makes a new engine, as a process does that begins, with those triggers of the plugin p.
func (r *rig) engine(triggers ...Trigger) {
	r.t.Helper()
	saved, err := Load(r.store.Folder)
	if err != nil {
		r.t.Fatal(err)
	}
	r.make(saved)
	r.configure(triggers...)
	r.Start()
}

func (r *rig) make(saved Saved) {
	o := Options{
		Call: func(ctx context.Context, plugin string, fn func(abi.Instance) error) (err error) {
			if absent := r.absent.get(); absent != nil {
				return fmt.Errorf("%w: %w", ErrNotCalled, absent)
			}
			defer func() {
				if v := recover(); v != nil {
					err = fmt.Errorf("panic: %v", v)
				}
			}()
			return fn(r)
		},
		Folder: func(name string) *generations.Folder {
			if name == stateFolder && r.saves != nil {
				r.saves()
			}
			return r.store.Folder(name)
		},
		Logger: slog.New(slog.NewTextHandler(&r.log, nil)), Keeps: func(string) bool { return r.stateful.get() },
		Checkpoint: r.wanted.set,
	}
	if r.shelf != nil {
		o.Backlog = r.shelf
	}
	r.Engine = New(o, saved)
}

func (r *rig) configure(triggers ...Trigger) {
	r.t.Helper()
	var resolved []Trigger
	for _, t := range triggers {
		resolved = append(resolved, r.resolve(t))
	}
	r.Configure("p", map[string]string{"from": "plugin"}, resolved)
}

func (r *rig) resolve(t Trigger) Trigger {
	return t.Resolve(func(field, text string) { r.t.Errorf("%s: %s", field, text) })
}

// end ends the engine as a process does that stops.
func (r *rig) end() {
	r.t.Helper()
	if err := errors.Join(r.Pause(r.t.Context()), r.End(r.t.Context(), errors.New("closed"), true)); err != nil {
		r.t.Error(err)
	}
}

// done returns the calls since it was last called, once all is quiet.
func (r *rig) done() string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := strings.Join(r.calls, ", ")
	r.calls = nil
	return calls
}

// wants checks the calls since the last check.
func (r *rig) wants(want string) {
	r.t.Helper()
	if got := r.done(); got != want {
		r.t.Errorf("calls: %s\nwant:  %s", got, want)
	}
}

// status returns the status of the only trigger, or the one of that name.
func (r *rig) status(name ...string) Status {
	r.t.Helper()
	for _, s := range r.Status() {
		if len(name) == 0 || s.Name == name[0] {
			return s
		}
	}
	r.t.Fatalf("no trigger %v", name)
	return Status{}
}

// fails lets every call fail with err, or none.
func (r *rig) fails(err error) {
	r.handle.set(nil)
	r.schedule.set(nil)
	if err != nil {
		r.handle.set(func(context.Context, *abi.Batch) error { return err })
		r.schedule.set(func(context.Context, abi.Tick) error { return err })
	}
}

// tables makes tables: "cpu" has one row, "cpu:3" three.
func tables(names ...string) (all []abi.Table) {
	for _, name := range names {
		name, n, _ := strings.Cut(name, ":")
		rows := 1
		fmt.Sscan(n, &rows)
		t := abi.Table{Name: name, Columns: []abi.Column{{Name: "v", Kind: abi.Int}}}
		for i := range rows {
			t.Times = append(t.Times, int64(i))
			t.Columns[0].Ints = append(t.Columns[0].Ints, int64(i))
		}
		all = append(all, t)
	}
	return all
}

func (r *rig) write(names ...string) *Delivery {
	r.t.Helper()
	d, err := r.Deliver(r.t.Context(), "db", tables(names...))
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

// isDone reports whether a delivery is over.
func isDone(d *Delivery) bool {
	synctest.Wait()
	select {
	case <-d.Done():
		return true
	default:
		return false
	}
}

var errTest = errors.New("no good")

type permanentError struct{ error }

func (permanentError) Permanent() bool { return true }

// in runs a test in a bubble whose clock starts at a full hour and moves on when all is quiet.
func in(t *testing.T, test func(*rig)) {
	r := newRig(t)
	synctest.Test(t, func(t *testing.T) {
		r.t = t
		test(r)
	})
}
