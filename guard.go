package sohost

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// PanicError is a panic of a plugin's code that the host has caught.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap returns the value of the panic if that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// caught, deferred, makes a panic the error of its function. Plugin code also runs where the host copies and encodes values
// whose types have methods for that.
func caught(err *error) {
	if v := recover(); v != nil {
		*err = &PanicError{Value: v, Stack: debug.Stack()}
	}
}

// grace is how long after the end of its context something that heeds it may take to return.
const grace = 100 * time.Millisecond

// abandoned counts the calls of plugin code that were given up and have not returned.
var abandoned atomic.Int64

// guard calls a function of a plugin so that neither a panic in it nor its never returning holds the host up. ctx must have a
// deadline. At its deadline the call is left behind in its goroutine: there is no way to end it. When ctx ends earlier,
// because nobody wants the result any more, the call is waited for as long nevertheless, so that nothing is undone under it.
func guard(ctx context.Context, what string, call func(context.Context) error) error {
	done := make(chan error, 1)
	var settled atomic.Bool // by what comes first: the return, or the end of the wait for it
	go func() {
		err := errors.New("ended its goroutine") // by runtime.Goexit
		defer func() {
			if !settled.CompareAndSwap(false, true) {
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
		if !settled.CompareAndSwap(false, true) {
			abandoned.Add(-1)
		}
		return fmt.Errorf("%s has not returned: %w", what, context.Cause(ctx))
	}
}
