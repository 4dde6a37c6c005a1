package instance

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// proc is what /proc says of this process. One reading serves several settings: a system call for each would take longer.
type proc struct {
	status string   // of the main thread
	limits []string // by resource
}

func readProc() (p proc) {
	p.status, _ = procText("/proc/self/status")
	limits, _ := procText("/proc/self/limits")
	if lines := strings.Split(limits, "\n"); len(lines) > 1 { // the first one has the columns' names
		p.limits = lines[1:]
	}
	return p
}

// line returns a function that reads a line of status, any but the first one.
func line(name string) func(proc) any {
	begin := "\n" + name + ":"
	return func(p proc) any {
		_, rest, has := strings.Cut(p.status, begin)
		if !has {
			return nil
		}
		text, _, _ := strings.Cut(rest, "\n")
		return strings.Join(strings.Fields(text), " ")
	}
}

// limitName is how wide the first column of limits is: names have spaces.
const limitName = 26

// limit returns the soft and the hard limit of a resource as the text of a change has them, such as "1024/unlimited".
func (p proc) limit(resource int) any {
	if resource >= len(p.limits) || len(p.limits[resource]) < limitName { // as when the process can't open another file
		var limit unix.Rlimit
		if unix.Prlimit(0, resource, nil, &limit) != nil {
			return nil
		}
		return limitText(limit.Cur) + "/" + limitText(limit.Max)
	}
	soft, rest, _ := strings.Cut(p.limits[resource][limitName:], " ")
	hard, _, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	return soft + "/" + hard
}

func limitText(v uint64) string {
	if v == unix.RLIM_INFINITY {
		return "unlimited"
	}
	return strconv.FormatUint(v, 10)
}

// limitValue is the reverse of limitText.
func limitValue(text string) uint64 {
	if v, err := strconv.ParseUint(text, 10, 64); err == nil {
		return v
	}
	return unix.RLIM_INFINITY
}

// procText reads a file of /proc. It takes a third of the time that os.ReadFile does, which asks for the size, has the poller
// try to watch the file, and reads by pieces.
func procText(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	var few [4 << 10]byte // status has some 1500 bytes, and more where there are many CPUs or groups
	buf, size := few[:], 0
	for {
		n, err := unix.Read(fd, buf[size:])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return "", err
		case n == 0:
			return string(buf[:size]), nil
		}
		if size += n; size == len(buf) {
			buf = append(buf, make([]byte, len(buf))...)
		}
	}
}

func fileText(path string) any {
	text, err := procText(path)
	if err != nil {
		return nil
	}
	return strings.TrimSpace(text)
}

func linkText(path string) any {
	text, err := os.Readlink(path)
	if err != nil {
		return nil
	}
	return text
}
