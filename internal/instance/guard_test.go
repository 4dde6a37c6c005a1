package instance

import (
	"context"
	"errors"
	"io"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sohost/sohost/internal/inflight"
)

// TestGuard ends calls in every way that a plugin's may end.
func TestGuard(t *testing.T) {
	slow := errors.New("too slow")
	tests := []struct {
		name string
		call func(context.Context) error
		want error
		took time.Duration
	}{
		{"returns", func(context.Context) error { return nil }, nil, 0},
		{"fails", func(context.Context) error { return io.EOF }, io.EOF, 0},
		{"panics with an error", func(context.Context) error { panic(io.EOF) }, io.EOF, 0},
		{"heeds its context", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, slow, time.Second},
		{"is late and succeeds", func(ctx context.Context) error { <-ctx.Done(); return nil }, nil, time.Second},
		{"never returns", func(context.Context) error { time.Sleep(time.Hour); return nil }, slow, time.Second + grace},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, slow)
			defer cancel()
			begin := time.Now()
			err := new(Instance).guard(ctx, inflight.Start, test.call)
			if took := time.Since(begin); !errors.Is(err, test.want) || took != test.took {
				t.Errorf("%s: %v after %v, want %v after %v", test.name, err, took, test.want, test.took)
			}
			time.Sleep(2 * time.Hour) // until the call has ended
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	if err := new(Instance).guard(ctx, inflight.Start, func(context.Context) error { runtime.Goexit(); return nil }); err == nil {
		t.Error("a call that ended its goroutine counts as a success")
	}
	err := new(Instance).guard(ctx, inflight.Start, func(context.Context) error { panic("at the disco") })
	if caught := (*PanicError)(nil); !errors.As(err, &caught) || caught.Value != "at the disco" || len(caught.Stack) == 0 {
		t.Errorf("a panic became %v", err)
	}
}

// TestGuardCanceled cancels the context because nobody wants the result any more. guard still waits for the call, so
// that nothing is undone while it runs, but no longer than the deadline.
func TestGuardCanceled(t *testing.T) {
	for _, test := range []struct{ needs, took time.Duration }{
		{time.Second, time.Second},
		{time.Hour, time.Minute + grace},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			cancel()
			begin := time.Now()
			err := new(Instance).guard(ctx, inflight.Start, func(ctx context.Context) error { time.Sleep(test.needs); return ctx.Err() })
			if took := time.Since(begin); !errors.Is(err, context.Canceled) || took != test.took {
				t.Errorf("%v after %v, want it canceled after %v", err, took, test.took)
			}
			time.Sleep(2 * time.Hour)
		})
	}
}
