package build

import (
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Phase is a step of a build. The steps, in order: list (what the host and the packages are), plan, compile (all that the go command does
// until it links), link, finish (hashes, seal, check) and place. A step that wasn't needed is missing.
type Phase struct {
	Name string        `json:"name"`
	Took time.Duration `json:"took_ns"` // in nanoseconds
}

// stopwatch measures phases, each from the end of the one before.
type stopwatch struct {
	last   time.Time
	phases []Phase
}

func (w *stopwatch) lap(name string) { w.lapAt(name, time.Now()) }

func (w *stopwatch) lapAt(name string, at time.Time) {
	w.phases = append(w.phases, Phase{name, at.Sub(w.last)})
	w.last = at
}

// linkingFile is where the wrapper of the linker notes when it begins, next to the plan.
const linkingFile = "linking"

func noteLinking(planFile string) error {
	return os.WriteFile(filepath.Join(filepath.Dir(planFile), linkingFile), strconv.AppendInt(nil, time.Now().UnixNano(), 10), 0o600)
}

// compiled measures what the go command has done until now.
func (w *stopwatch) compiled(planFile string) {
	b, err := os.ReadFile(filepath.Join(filepath.Dir(planFile), linkingFile))
	if err != nil {
		w.lap("compile")
		return
	}
	began, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		w.lap("compile")
		return
	}
	w.lapAt("compile", time.Unix(0, began))
	w.lap("link")
}
