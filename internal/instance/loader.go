package instance

import (
	"context"
	"log/slog"

	"github.com/sohost/sohost/native"
)

// Loader turns files into images. NewLoader's does; tests of this package's users may replace single steps.
type Loader struct {
	Check    func(path string) error
	Probe    func(ctx context.Context, paths ...string) error
	Open     func(ctx context.Context, path string) (*Image, error)
	IsOpen   func(path string) bool
	Opened   func() []string
	Measure  func(inUse func(path string) bool) Costs
	Poisoned func() error
}

// NewLoader returns a loader whose steps are the functions of their names in this package, and native.Poisoned.
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
