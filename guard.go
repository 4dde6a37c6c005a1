package sohost

import (
	"context"
	"fmt"
	"runtime/debug"
)

// PanicError is a panic of a plugin's code that the host has caught.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// guard calls a function of a plugin so that neither a panic in it nor its never returning holds the host up. When ctx ends
// first the call goes on, left behind in its goroutine: there is no way to end it.
func guard(ctx context.Context, what string, call func(context.Context) error) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				done <- &PanicError{Value: v, Stack: debug.Stack()}
			}
		}()
		done <- call(ctx)
	}()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s has not returned: %w", what, context.Cause(ctx))
	}
}
