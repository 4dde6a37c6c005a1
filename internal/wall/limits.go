package wall

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// bounds are the limits of a child.
type bounds struct {
	Memory int64 `json:"memory"` // bytes
	Time   int64 `json:"time"`   // of a CPU, in seconds
}

const (
	maxMemory   = 2 << 30  // bytes of memory at most
	maxAddress  = 16 << 30 // bytes of addresses, which the Go runtime reserves and doesn't use
	maxFile     = 64 << 20 // bytes in a file
	maxOpen     = 1024     // open files
	maxPatience = 6        // by how much a time limit may be exceeded for lack of CPU time
)

// boundsFor returns the limits of a child.
func boundsFor(o Options) bounds {
	b := bounds{Memory: o.Memory, Time: math.MaxInt32}
	var info unix.Sysinfo_t
	if b.Memory == 0 {
		b.Memory = maxMemory
	}
	if o.Memory == 0 && unix.Sysinfo(&info) == nil {
		b.Memory = min(b.Memory, int64(info.Totalram)*int64(info.Unit)/2)
	}
	if o.Limit > 0 { // a second line: the parent measures time better
		b.Time = int64(math.Ceil(o.Limit.Seconds()))*maxPatience + 1
	}
	return b
}

// limit sets the limits of the calling process.
func limit(b bounds) Layer {
	for _, l := range []struct {
		name     string
		resource int
		most     uint64
	}{
		{"core", unix.RLIMIT_CORE, 0},
		{"fsize", unix.RLIMIT_FSIZE, maxFile},
		{"nofile", unix.RLIMIT_NOFILE, maxOpen},
		{"cpu", unix.RLIMIT_CPU, uint64(b.Time)},
		{"data", unix.RLIMIT_DATA, uint64(b.Memory)},
		{"as", unix.RLIMIT_AS, uint64(addresses()) + maxAddress},
		{"memlock", unix.RLIMIT_MEMLOCK, 1 << 20},
		{"msgqueue", unix.RLIMIT_MSGQUEUE, 0},
	} {
		var now unix.Rlimit
		err := unix.Getrlimit(l.resource, &now)
		if most := min(now.Max, l.most); err == nil {
			err = unix.Setrlimit(l.resource, &unix.Rlimit{Cur: most, Max: most})
			if unix.Getrlimit(l.resource, &now); err == nil && now.Max != most { // an emulator keeps some to itself
				err = errors.New("it has no effect")
			}
		}
		if err != nil {
			return missing(Limits, fmt.Errorf("set limit %s: %w", l.name, err))
		}
	}
	return Layer{Name: Limits, InForce: true, Detail: fmt.Sprintf("%d MiB of memory, %d open files, no core dump", b.Memory>>20, maxOpen)}
}

// addresses returns how many bytes of addresses the process has in use.
func addresses() int64 {
	text, _ := os.ReadFile("/proc/self/statm")
	first, _, _ := bytes.Cut(text, []byte(" "))
	pages, _ := strconv.ParseInt(string(first), 10, 64)
	return pages * int64(os.Getpagesize())
}
