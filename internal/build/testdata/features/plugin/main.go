package main

import (
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"time"
	_ "unsafe"

	"example.com/dep"
	"features/internal/pulled"
	_ "features/internal/pushed"
	"features/internal/set"
	"github.com/sohost/sohost/abi"
)

//go:embed data/text.txt
var text string

//go:linkname nanotime runtime.nanotime
func nanotime() int64

//go:linkname hidden features/internal/pulled.hidden
func hidden() string

//go:linkname marked features/internal/pulled.marked
func marked() string

//go:linkname level features/internal/pulled.level
var level int

// Replaced is set by the linker in one test.
var Replaced = "no"

var Plugin = abi.Descriptor{
	ABI: abi.Version,
	New: func(context.Context, abi.Host) (abi.Instance, error) {
		if nanotime() == 0 || time.Now().IsZero() {
			return nil, fmt.Errorf("no time")
		}
		s := set.Of(slog.LevelInfo, slog.LevelInfo, slog.LevelWarn)
		return fmt.Sprintf("%s %d %s %s %d %s %s %s", text, s.Len(), hidden(), marked(), level, pulled.Pushed(), dep.Name(), Replaced), nil
	},
}

func main() {}
