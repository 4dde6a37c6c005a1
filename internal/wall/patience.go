package wall

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// patience waits until the child has ended, done harm, or used up its time.
func (c *child) patience(ctx context.Context, limit time.Duration, ended <-chan struct{}, harm <-chan string) (harmed string, err error) {
	begun := time.Now()
	var expired <-chan time.Time
	timer := time.NewTimer(limit)
	defer timer.Stop()
	if limit > 0 {
		expired = timer.C
	}
	for {
		select {
		case <-ended:
			select { // both may be ready
			case harmed = <-harm:
			default:
			}
			return harmed, nil
		case harmed = <-harm:
			return harmed, nil
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-expired:
		}
		took, waited := time.Since(begun), max(0, c.waited(c.cmd.Process.Pid)-c.before)
		left := min(limit+waited, maxPatience*limit) - took
		if left < limit/100 {
			return "", fmt.Errorf("%w of %v: it took %v, of which it waited %v for a CPU", ErrLimit, limit,
				took.Round(time.Millisecond), waited.Round(time.Millisecond))
		}
		timer.Reset(left)
	}
}

// waitedForCPU returns how long the process could have run but had no CPU: the longest time of any of its threads. It is 0 where
// the kernel doesn't count it.
func waitedForCPU(pid int) (longest time.Duration) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, file := range threads {
		text, err := os.ReadFile(file)
		fields := strings.Fields(string(text)) // nanoseconds on a CPU, waiting for one, and the number of turns
		if err != nil || len(fields) < 2 {
			continue
		}
		waited, _ := strconv.ParseInt(fields[1], 10, 64)
		longest = max(longest, time.Duration(waited))
	}
	return longest
}
