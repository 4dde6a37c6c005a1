package instance

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/inflight"
)

// ErrNoMiddleware is returned when a plugin has a place in a chain that its instance can't take.
var ErrNoMiddleware = errors.New("plugin can't take its place in a chain")

// Wrap returns the handler for a place in a chain before next. It has until ctx's deadline.
func (in *Instance) Wrap(ctx context.Context, next http.Handler) (handler http.Handler, err error) {
	m, ok := in.value.(abi.Middleware)
	if !ok {
		return nil, fmt.Errorf("%w: %T is no abi.Middleware, so nothing can come after it; make it the last of the chain, without a backend",
			ErrNoMiddleware, in.value)
	}
	made := make(chan http.Handler, 1) // guard may give the call up
	err = in.guard(ctx, inflight.Wrap, func(context.Context) error {
		h, err := m.Wrap(next)
		if err != nil {
			return err
		}
		if h == nil {
			return fmt.Errorf("%w: Wrap returned nil", ErrNoMiddleware)
		}
		made <- h
		return nil
	})
	if err != nil {
		return nil, err
	}
	return <-made, nil
}
