package supervisor

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// oomKills returns how many processes of this one's control group the kernel has killed because memory ran out; 0 if that isn't
// known. See cgroups(7), memory.events.
func oomKills() int64 {
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(groups)) {
		if group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			events, err := os.ReadFile(filepath.Join("/sys/fs/cgroup", group, "memory.events"))
			if err != nil {
				return 0
			}
			return oomKillsIn(string(events))
		}
	}
	return 0
}

func oomKillsIn(events string) int64 {
	for line := range strings.Lines(events) {
		if count, ok := strings.CutPrefix(line, "oom_kill "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(count), 10, 64)
			return n
		}
	}
	return 0
}
