package instance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"runtime/pprof"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/inflight"
)

// Instance is one loaded instance of a plugin. Its methods must be called by one goroutine at a time, the owner, except
// for Image, Value, Handler and Mismatch, which any goroutine may call.
type Instance struct {
	image   *Image
	row     *inflight.Row
	labels  pprof.LabelSet // see Labels
	value   abi.Instance
	handler http.Handler // nil if the plugin takes no requests
	tasks   tasks
	started bool // Start has returned nil, and Stop was not called since
	paused  bool // Pause has stopped it: Resume calls Start again
	held    bool // Stop has failed, and may not have released what the plugin owns

	mismatch atomic.Pointer[string] // see Mismatch
}

// New calls the plugin's New, which may run until ctx's deadline. If it returns an instance later, that instance is
// passed to late, in another goroutine, to be closed.
//
// Even with an error, such as ErrNoHandler, New may return an instance, which the caller must close.
//
// In row, which may be nil, the instance notes which calls of the plugin's code run. Its owner releases it.
//
// required is the interface that the instance must implement. If it is nil, that is one of the handlers that package abi names.
func New(
	ctx context.Context, image *Image, host abi.Host, required reflect.Type, row *inflight.Row, late func(*Instance),
) (*Instance, error) {
	in := &Instance{image: image, row: row}
	if host != nil {
		in.labels = pprof.Labels("plugin", host.Plugin(), "generation", host.Generation())
	}
	var made error
	var decided atomic.Bool // by whichever comes first: New's return, or the end of the wait
	err := in.guard(ctx, inflight.New, func(ctx context.Context) error {
		in.value, made = image.descriptor.New(ctx, &ownHost{host, in})
		if !decided.CompareAndSwap(false, true) && made == nil {
			late(in)
		}
		return made
	})
	if panicked := (*PanicError)(nil); errors.As(err, &panicked) {
		panicked.explain(image)
	}
	if err != nil && (decided.CompareAndSwap(false, true) || made != nil) {
		return nil, err
	}
	if err != nil { // New returned just as the wait ended: the instance is there, but too late
		return in, err
	}
	if v := reflect.ValueOf(in.value); v.Kind() == reflect.Pointer && v.IsNil() { // it would panic with each request
		return in, fmt.Errorf("%w: New returned a nil %T and no error", ErrNoHandler, in.value)
	}
	in.handler, _ = in.value.(http.Handler)
	switch {
	case required != nil:
		if err := Lacks(in.value, required); err != nil {
			return in, fmt.Errorf("%w; correct what New returns and build the plugin again", err)
		}
	case !handlesSomething(in.value):
		return in, fmt.Errorf("%w: New returned a %T, which is neither an http.Handler nor an abi.Middleware, abi.BatchHandler or abi.ScheduleHandler",
			ErrNoHandler, in.value)
	}
	if image.Exclusive() && !in.Starts() {
		return in, fmt.Errorf("%w: %T; take what only one instance can have in Start and release it in Stop, or leave Exclusive out",
			ErrExclusive, in.value)
	}
	if err := in.liveExport(); err != nil {
		return in, err
	}
	return in, nil
}

func handlesSomething(i abi.Instance) bool {
	switch i.(type) {
	case http.Handler, abi.Middleware, abi.BatchHandler, abi.ScheduleHandler:
		return true
	}
	return false
}

// Image returns the image that the instance's code comes from.
func (in *Instance) Image() *Image { return in.image }

// Row returns the row that New was given.
func (in *Instance) Row() *inflight.Row { return in.row }

// Labels returns the labels plugin and generation, which goroutines have that the instance's New, Start and so on begin.
func (in *Instance) Labels() pprof.LabelSet { return in.labels }

// Value returns what the plugin's New returned.
func (in *Instance) Value() abi.Instance { return in.value }

// Handler returns the instance as an http.Handler, or nil if it takes no requests. The caller must catch its panics.
func (in *Instance) Handler() http.Handler { return in.handler }

// Starts reports whether the plugin has a Start.
func (in *Instance) Starts() bool {
	_, ok := in.value.(abi.Starter)
	return ok
}

// Start begins the background work: it lets the instance's host begin goroutines, and calls the plugin's Start if it has one. If the instance
// is started already it does nothing.
func (in *Instance) Start(ctx context.Context) error {
	if in.started {
		return nil
	}
	in.tasks.open()
	if s, ok := in.value.(abi.Starter); ok {
		in.row.SetBackground(true) // from here on, even if Start fails
		if err := in.guard(ctx, inflight.Start, s.Start); err != nil {
			in.tasks.end()
			return errors.Join(err, in.tasks.wait(ctx))
		}
	}
	in.started, in.held = true, false
	return nil
}

// Pause stops the background work so that the state doesn't change while it is taken. Resume starts it again.
func (in *Instance) Pause(ctx context.Context) error {
	in.paused = in.paused || in.started || in.held
	return in.stop(ctx)
}

// Resume starts the background work again if Pause has stopped it. After an error the instance goes on without
// background work.
func (in *Instance) Resume(ctx context.Context) error {
	if !in.paused {
		return nil
	}
	in.paused = false
	return in.Start(ctx)
}

// stop ends the background work if the instance is started: the goroutines' context ends, the plugin's Stop is called, and the goroutines
// are waited for. It calls Stop only once, even if that fails, except if the plugin is Exclusive: nobody else can start until it has
// released what it owns.
func (in *Instance) stop(ctx context.Context) (err error) {
	if !in.started && !in.held {
		return nil
	}
	in.started = false
	in.tasks.end()
	if s, ok := in.value.(abi.Starter); ok {
		err = in.guard(ctx, inflight.Stop, s.Stop)
		if in.image.Exclusive() {
			in.held = err != nil
			err = errors.Join(err, awaitForks(ctx))
		}
	}
	if err = errors.Join(err, in.tasks.wait(ctx)); err == nil {
		in.row.SetBackground(false)
	}
	return err
}

// errForking is returned by Pause and End of an exclusive plugin if a child that is being forked may still have what it has released.
var errForking = errors.New("it has stopped, but a process that is just being started still has copies of all that was open, and so of what the " +
	"plugin has released; nothing else can have that before it has started: see which one doesn't, and what it waits for")

// awaitForks waits for children that are just being forked, until ctx's deadline. Until such a child has become its program it has copies of
// all that was open, and so keeps a port or a lock that has just been released. It may wait for a filesystem that doesn't answer, and the
// lock may be held by a plugin. Then the error is errForking.
func awaitForks(ctx context.Context) error {
	if syscall.ForkLock.TryRLock() { // nothing is guarded: whoever forks later has no copy
		syscall.ForkLock.RUnlock()
		return nil
	}
	forked := make(chan struct{})
	go func() { // is left behind at the deadline, as a call of a plugin is
		syscall.ForkLock.RLock()
		//lint:ignore SA2001 as above
		syscall.ForkLock.RUnlock()
		close(forked)
	}()
	deadline, _ := ctx.Deadline()
	select {
	case <-forked:
		return nil
	case <-time.After(time.Until(deadline)):
		return errForking
	}
}

// End stops the background work and closes the instance, if it is an io.Closer. No call may be running any more.
func (in *Instance) End(ctx context.Context) error {
	stopped := in.stop(ctx)
	c, ok := in.value.(io.Closer)
	if !ok {
		return stopped
	}
	return errors.Join(stopped, in.guard(ctx, inflight.Close, func(context.Context) error { return c.Close() }))
}
