package supervisor

import (
	"runtime/debug"
	"testing"
)

// TestRoom raises the memory limit for large answers of workers, and never lowers it.
func TestRoom(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	var r room
	for _, step := range []struct{ size, want int }{{1 << 10, heapGoal + 16<<10}, {1 << 20, heapGoal + 16<<20}, {1 << 10, heapGoal + 16<<20}} {
		r.make(step.size)
		if got := debug.SetMemoryLimit(-1); got != int64(step.want) {
			t.Errorf("after %d bytes the limit is %d, want %d", step.size, got, step.want)
		}
	}
}
