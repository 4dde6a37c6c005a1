package instance

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sohost/sohost/internal/crash"
)

// PanicError is a panic in a plugin's code that was caught.
type PanicError struct {
	Value any
	Stack []byte

	origin string // the package of the code that panicked
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the value of the panic if that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// NewPanicError returns the error for the value of a recover. It must be called by the deferred function that has recovered it.
func NewPanicError(value any) *PanicError {
	return &PanicError{Value: value, Stack: debug.Stack(), origin: panicOrigin()}
}

// panicOrigin returns the package of the function that panicked: the innermost below the panic that belongs neither to the
// runtime nor to package log, whose Panic functions only pass a panic on.
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

// InRegistry reports whether a panic may come from a registry that earlier generations have filled: code that image shares with
// the process panicked, on purpose, as sql.Register does when a name is taken. In a new process such an image may load. An
// ordinary mistake of the plugin's own code isn't of that kind.
func (e *PanicError) InRegistry(image *Image) bool {
	var mistake runtime.Error
	return e.origin != "" && !errors.As(e.Unwrap(), &mistake) && !image.own(e.origin)
}

// caught, deferred, makes a panic the error of its function. Plugin code also runs where the host copies and encodes values
// whose types have methods for that.
func caught(err *error) {
	if v := recover(); v != nil {
		*err = NewPanicError(v)
	}
}

// grace is how long after its deadline a call that heeds it may take to return.
const grace = 100 * time.Millisecond

// abandoned counts the calls that were given up and have not returned.
var abandoned atomic.Int64

// guard calls a function of a plugin, and holds up the host neither with its panic nor by never returning. ctx must have a
// deadline. At the deadline the call is left behind in its goroutine, as there is no way to end it. When ctx ends earlier,
// because nobody wants the result any more, guard waits for the call until the deadline all the same, so that nothing is undone
// under it.
func guard(ctx context.Context, what string, call func(context.Context) error) error {
	done := make(chan error, 1)
	var decided atomic.Bool // by what comes first: the return, or the end of the wait for it
	go func() {
		err := errors.New("ended its goroutine") // by runtime.Goexit
		defer func() {
			if !decided.CompareAndSwap(false, true) {
				abandoned.Add(-1)
			}
			done <- err
		}()
		defer caught(&err)
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
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	case <-patience.C:
		abandoned.Add(1)
		if !decided.CompareAndSwap(false, true) {
			abandoned.Add(-1)
		}
		return fmt.Errorf("%s has not returned: %w", what, context.Cause(ctx))
	}
}
