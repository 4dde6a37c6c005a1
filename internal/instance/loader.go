package instance

import (
	"context"
	"log/slog"

	"github.com/sohost/sohost/native"
)

// Loader holds the functions that turn files into images. NewLoader returns the real ones; tests of other packages may
// replace some.
type Loader struct {
	Head      func(head []byte) error
	Check     func(path, api string) error
	Probe     func(ctx context.Context, o ProbeOptions, paths ...string) (Probed, error)
	Wall      func() []WallLayer
	MakeSpare func(o ProbeOptions) error
	Spare     func() *Spare
	Close     func()
	Open      func(ctx context.Context, path string) (*Image, error)
	IsOpen    func(path string) bool
	Opened    func() []string
	Mapped    func() []string
	Measure   func(inUse func(path string) bool) Costs
	Poisoned  func() error
}

// NewLoader returns a loader that consists of this package's functions of the same names, those of a Prober, and native's JudgeHead,
// Mapped and Poisoned.
func NewLoader(log *slog.Logger) Loader {
	prober := NewProber(log)
	return Loader{
		Head:      native.JudgeHead,
		Check:     Check,
		Probe:     prober.Probe,
		Wall:      prober.Layers,
		MakeSpare: prober.MakeSpare,
		Spare:     prober.Spare,
		Close:     prober.Close,
		Open:      Open,
		IsOpen:    IsOpen,
		Opened:    Opened,
		Mapped:    native.Mapped,
		Measure:   Measure,
		Poisoned:  native.Poisoned,
	}
}
