package instance

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/adapter"
)

// tasks are the goroutines that an instance has begun by its host's Go.
type tasks struct {
	mu      sync.Mutex // guards the rest
	ctx     context.Context
	cancel  context.CancelFunc // nil while no goroutine may begin
	running int
	begun   int           // ever
	idle    chan struct{} // closed when the last one has returned after the end; nil before
}

// open lets goroutines begin.
func (t *tasks) open() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.idle = nil
}

// end ends the context of all goroutines and lets no more begin. wait waits for them.
func (t *tasks) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cancel == nil {
		return
	}
	t.cancel()
	t.cancel = nil
	t.idle = make(chan struct{})
	if t.running == 0 {
		close(t.idle)
	}
}

// wait waits until all goroutines have returned, or for a moment longer than until ctx's deadline. end was called.
func (t *tasks) wait(ctx context.Context) error {
	deadline, _ := ctx.Deadline()
	patience := time.NewTimer(time.Until(deadline) + grace)
	defer patience.Stop()
	t.mu.Lock()
	idle := t.idle
	t.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-patience.C:
		t.mu.Lock()
		defer t.mu.Unlock()
		return fmt.Errorf("goroutines begun by Go that have not returned: %d: %w", t.running, context.Cause(ctx))
	}
}

// begin counts a goroutine and returns the context that it runs in, or nil if none may begin.
func (t *tasks) begin() context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cancel == nil {
		return nil
	}
	t.running++
	t.begun++
	return t.ctx
}

func (t *tasks) returned() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running--; t.running == 0 && t.idle != nil {
		close(t.idle)
	}
}

// Begun returns how many goroutines the instance has begun by its host's Go. Any goroutine may call it.
func (in *Instance) Begun() int {
	in.tasks.mu.Lock()
	defer in.tasks.mu.Unlock()
	return in.tasks.begun
}

// ownHost is the abi.Host of one instance: what the host offers, and the instance's own goroutines.
type ownHost struct {
	abi.Host
	in *Instance
}

// Config implements adapter.Configured.
func (h *ownHost) Config() map[string]any { return adapter.Config(h.Host) }

// Go implements abi.Host.
func (h *ownHost) Go(fn func(ctx context.Context)) bool {
	ctx := h.in.tasks.begin()
	if ctx == nil {
		return false
	}
	h.in.row.SetBackground(true)
	go func() {
		defer h.in.tasks.returned()
		defer func() {
			if v := recover(); v != nil {
				err := NewPanicError(v)
				h.Logger().Error("panic in a goroutine of the plugin", "panic", err.Value, "stack", string(err.Stack))
			}
		}()
		fn(ctx)
	}()
	return true
}
