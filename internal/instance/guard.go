package instance

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sohost/sohost/internal/crash"
	"github.com/sohost/sohost/internal/inflight"
	"github.com/sohost/sohost/native"
)

// PanicError is a panic in a plugin's code that the host has caught.
type PanicError struct {
	Value any
	Stack []byte

	origin string // the package of the function that panicked; empty if unknown

	collision *native.Collision // what may explain it; nil if nothing does
}

func (e *PanicError) Error() string {
	if e.collision != nil {
		return fmt.Sprintf("panic: %v; %s", e.Value, e.collision)
	}
	return fmt.Sprintf("panic: %v", e.Value)
}

// explain notes why New may have panicked: in a package that the image shares with another.
func (e *PanicError) explain(image *Image) {
	if image.info != nil {
		e.collision = native.FindCollision(e.Value, e.Stack, image.info)
	}
}

// Unwrap returns the panic's value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// NewPanicError returns the error for a value that recover returned. It must be called by the deferred function that
// has recovered, as it reads the stack of the panic.
func NewPanicError(value any) *PanicError {
	return &PanicError{Value: value, Stack: debug.Stack(), origin: panicOrigin()}
}

// panicOrigin returns the package of the function that panicked: the innermost one below the panic that belongs neither
// to the runtime nor to package log, whose Panic functions only pass a panic on.
func panicOrigin() string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	panicking := false
	for {
		frame, more := frames.Next()
		pkg := crash.PackageOf(frame.Function)
		switch {
		case frame.Function == "runtime.gopanic":
			panicking = true
		case panicking && pkg != "runtime" && pkg != "log" && !strings.HasPrefix(pkg, "internal/runtime"):
			return pkg
		}
		if !more {
			return ""
		}
	}
}

// InRegistry reports whether the panic may come from a registry that earlier generations have filled: code that the
// image shares with the process panicked on purpose, as sql.Register does when a name is taken. Such an image may load
// in a new process. An ordinary mistake in the plugin's own code is no such panic.
func (e *PanicError) InRegistry(image *Image) bool {
	var mistake runtime.Error
	return e.origin != "" && !errors.As(e.Unwrap(), &mistake) && !image.own(e.origin)
}

// caught, deferred, turns a panic into its function's error. It guards the places where the host copies and encodes
// values, since methods of their types are plugin code, too.
func caught(err *error) {
	if v := recover(); v != nil {
		*err = NewPanicError(v)
	}
}

// grace is how long a call that respects its deadline may still take to return.
const grace = 100 * time.Millisecond

// abandoned is the number of calls that were given up and have not returned yet.
var abandoned atomic.Int64

// guard calls a function of a plugin so that neither a panic in it nor its never returning stops the host. step names
// the function in errors, and is noted in the row until the function returns. The goroutine has the labels, and so have those that the
// function starts. ctx must have a deadline. At the deadline, after a grace period, the call is left behind in
// its goroutine, as there is no way to end it.
//
// If ctx is canceled before its deadline, because nobody wants the result any more, guard still waits for the call
// until the deadline, so that nothing is undone while the call runs.
func (in *Instance) guard(ctx context.Context, step inflight.Step, call func(context.Context) error) error {
	done := make(chan error, 1)
	var decided atomic.Bool // by whichever comes first: the call's return, or the end of the wait
	go func() {
		err := errors.New("ended its goroutine") // stays if runtime.Goexit ends the call
		leave := in.row.Enter(step)
		defer func() {
			leave()
			if !decided.CompareAndSwap(false, true) {
				abandoned.Add(-1)
			}
			done <- err
		}()
		defer caught(&err)
		ctx := pprof.WithLabels(ctx, in.labels)
		pprof.SetGoroutineLabels(ctx)
		err = call(ctx)
	}()
	deadline, _ := ctx.Deadline()
	patience := time.NewTimer(time.Until(deadline) + grace)
	defer patience.Stop()
	select {
	case err := <-done:
		if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			err = context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
		return nil
	case <-patience.C:
		abandoned.Add(1) // before the swap: the call may return, and subtract, right after it
		if !decided.CompareAndSwap(false, true) {
			abandoned.Add(-1)
		}
		return fmt.Errorf("%s has not returned: %w", step, context.Cause(ctx))
	}
}
