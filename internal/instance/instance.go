package instance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/sohost/sohost/abi"
)

// Instance is one loaded instance of a plugin. Its methods are for the one goroutine that owns it at the time; Value and Handler
// are for callers and may be used by any.
type Instance struct {
	image   *Image
	value   abi.Instance
	handler http.Handler // nil if it takes no requests
	started bool         // Start has returned nil and Stop was not called since
	paused  bool         // Stop was called for the sake of the state: Resume calls Start again
}

// New calls the plugin's New, which may take until ctx's deadline. An instance that New returns later than that is passed to late,
// in another goroutine, to be closed.
//
// With an error there may be an instance as well, as with ErrNoHandler: the caller must close it.
func New(ctx context.Context, image *Image, host abi.Host, late func(*Instance)) (*Instance, error) {
	in := &Instance{image: image}
	var made error
	var decided atomic.Bool // by what comes first: the return of New, or the end of the wait for it
	err := guard(ctx, "New", func(ctx context.Context) error {
		in.value, made = image.descriptor.New(ctx, host)
		if !decided.CompareAndSwap(false, true) && made == nil {
			late(in)
		}
		return made
	})
	if err != nil && (decided.CompareAndSwap(false, true) || made != nil) {
		return nil, err
	}
	if err != nil { // New has returned just as the wait for it ended
		return in, err
	}
	in.handler, _ = in.value.(http.Handler)
	if !handlesSomething(in.value) {
		return in, fmt.Errorf("%w: New returned a %T, which is neither an http.Handler nor an abi.BatchHandler or abi.ScheduleHandler",
			ErrNoHandler, in.value)
	}
	return in, nil
}

func handlesSomething(i abi.Instance) bool {
	switch i.(type) {
	case http.Handler, abi.BatchHandler, abi.ScheduleHandler:
		return true
	}
	return false
}

// Image returns the image that the instance's code comes from.
func (in *Instance) Image() *Image { return in.image }

// Value returns what the plugin's New returned.
func (in *Instance) Value() abi.Instance { return in.value }

// Handler returns the instance as a handler of requests, or nil if it takes none. A panic in it is the caller's to catch.
func (in *Instance) Handler() http.Handler { return in.handler }

// Start calls the plugin's Start if it has one and that isn't done already.
func (in *Instance) Start(ctx context.Context) error {
	s, ok := in.value.(abi.Starter)
	if !ok || in.started {
		return nil
	}
	if err := guard(ctx, "Start", s.Start); err != nil {
		return err
	}
	in.started = true
	return nil
}

// Pause stops the background work so that the state doesn't change while it is taken. See Resume.
func (in *Instance) Pause(ctx context.Context) error {
	in.paused = in.paused || in.started
	return in.stop(ctx)
}

// Resume begins the background work again that Pause has stopped. After an error the instance goes on without it.
func (in *Instance) Resume(ctx context.Context) error {
	if !in.paused {
		return nil
	}
	in.paused = false
	return in.Start(ctx)
}

// stop calls the plugin's Stop if Start was called. Stop is called once even if it fails.
func (in *Instance) stop(ctx context.Context) error {
	if !in.started {
		return nil
	}
	in.started = false
	return guard(ctx, "Stop", in.value.(abi.Starter).Stop)
}

// End stops the background work and closes the instance, if it can be closed. Nobody may be calling it any more.
func (in *Instance) End(ctx context.Context) error {
	stopped := in.stop(ctx)
	c, ok := in.value.(io.Closer)
	if !ok {
		return stopped
	}
	return errors.Join(stopped, guard(ctx, "Close", func(context.Context) error { return c.Close() }))
}
