package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit in which the kernel counts CPU time, on all architectures that Go knows.
const tick = 10 * time.Millisecond

// cpu returns the CPU time that a process and its descendants have used so far, in steps of 10 ms each.
func cpu(pid int) (used time.Duration, err error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	children := map[int][]int{}
	of := map[int]time.Duration{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		_, rest, found := strings.Cut(string(b), ") ")
		fields := strings.Fields(rest)
		if !found || len(fields) < 15 {
			return 0, fmt.Errorf("%s: %q", file, b)
		}
		id, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		parent, _ := strconv.Atoi(fields[1])
		children[parent] = append(children[parent], id)
		for _, field := range fields[11:15] { // its own, and that of children that have ended
			n, _ := strconv.Atoi(field)
			of[id] += time.Duration(n) * tick
		}
	}
	for all := []int{pid}; len(all) > 0; all = all[1:] {
		used += of[all[0]]
		all = append(all, children[all[0]]...)
	}
	return used, nil
}
