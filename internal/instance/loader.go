package instance

import (
	"context"
	"log/slog"

	"github.com/sohost/sohost/native"
)

// Loader holds the functions that turn files into images. NewLoader returns the real ones; tests of other packages may
// replace some.
type Loader struct {
	Check    func(path string) error
	Probe    func(ctx context.Context, paths ...string) error
	Open     func(ctx context.Context, path string) (*Image, error)
	IsOpen   func(path string) bool
	Opened   func() []string
	Measure  func(inUse func(path string) bool) Costs
	Poisoned func() error
}

// NewLoader returns a loader that consists of this package's functions of the same names, and native.Poisoned.
func NewLoader(log *slog.Logger) Loader {
	return Loader{
		Check:    Check,
		Probe:    func(ctx context.Context, paths ...string) error { return Probe(ctx, log, paths...) },
		Open:     Open,
		IsOpen:   IsOpen,
		Opened:   Opened,
		Measure:  Measure,
		Poisoned: native.Poisoned,
	}
}
