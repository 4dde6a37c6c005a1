package native

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Memory is what an image takes, in bytes.
type Memory struct {
	Mapped       int64 `json:"mapped"`        // address space
	Resident     int64 `json:"resident"`      // in RAM, pages shared with other processes included
	PrivateDirty int64 `json:"private_dirty"` // in RAM, written by this process: what only its end gives back
	PrivateClean int64 `json:"private_clean"` // in RAM for this process alone, and the same in the file
	Swapped      int64 `json:"swapped"`
}

// Memory returns what the image takes now, its variables included. Only its own mappings count, not what its code allocated.
func (im *Image) Memory() (Memory, error) {
	maps, err := mappings(im.path)
	if err != nil {
		return Memory{}, err
	}
	if len(maps) == 0 {
		return Memory{}, fmt.Errorf("account for %s: %w", im.path, ErrNotMapped)
	}
	var m Memory
	for _, p := range maps {
		m.Mapped += int64(p.end - p.start)
		m.Resident += p.resident
		m.PrivateDirty += p.dirty
		m.PrivateClean += p.clean
		m.Swapped += p.swapped
	}
	return m, nil
}

// Cool gives the image's unchanged pages back to the kernel and returns how many bytes those were. The image stays callable: its
// code comes back from the file, page by page, when it runs. The file must still be as it was when it was opened.
func (im *Image) Cool() (int64, error) {
	maps, err := mappings(im.path)
	if err != nil {
		return 0, err
	}
	if len(maps) == 0 {
		return 0, fmt.Errorf("cool %s: %w", im.path, ErrNotMapped)
	}
	var cooled int64
	for _, p := range maps {
		// A mapping with dirty pages, such as relocated constants, would come back from the file without the changes.
		if !p.readOnly || !p.file || p.dirty > 0 || p.swapped > 0 || p.resident == 0 {
			continue
		}
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, p.start, p.end-p.start, unix.MADV_DONTNEED); errno != 0 {
			return cooled, fmt.Errorf("cool %s: %w", im.path, errno)
		}
		cooled += p.resident
	}
	return cooled, nil
}

// mapping is one line of the process's memory map.
type mapping struct {
	start, end uintptr
	readOnly   bool
	file       bool // backed by the image's file, not by zeros
	resident   int64
	dirty      int64 // private and changed
	clean      int64 // private and unchanged
	swapped    int64
}

// mappings returns what the process has mapped from the file at path.
func mappings(path string) ([]mapping, error) {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return nil, fmt.Errorf("read memory map: %w", err)
	}
	defer f.Close()
	maps, err := parseMaps(f, path)
	if err != nil {
		return nil, fmt.Errorf("read memory map: %w", err)
	}
	return maps, nil
}

// parseMaps reads the mappings of path and the nameless ones that follow them: the part of the variables that begins as zeros.
func parseMaps(r io.Reader, path string) ([]mapping, error) {
	var maps []mapping
	var current *mapping // the mapping that the lines are about, if it is one of the image's
	s := bufio.NewScanner(r)
	s.Buffer(nil, 64<<10)
	for s.Scan() {
		line := s.Bytes()
		key, value, _ := bytes.Cut(line, []byte(" "))
		if bytes.HasSuffix(key, []byte(":")) {
			current.count(key, value)
			continue
		}
		m, name, err := parseMapping(string(line))
		if err != nil {
			return nil, err
		}
		after := current != nil && name == "" && current.end == m.start
		current = nil
		if name == path || after {
			m.file = name == path
			maps = append(maps, m)
			current = &maps[len(maps)-1]
		}
	}
	return maps, s.Err()
}

// count adds one line of details, such as "Rss:    12 kB".
func (m *mapping) count(key, value []byte) {
	if m == nil {
		return
	}
	var sum *int64
	switch string(key) {
	case "Rss:":
		sum = &m.resident
	case "Private_Dirty:":
		sum = &m.dirty
	case "Private_Clean:":
		sum = &m.clean
	case "Swap:":
		sum = &m.swapped
	default:
		return
	}
	number, _, _ := bytes.Cut(bytes.TrimSpace(value), []byte(" "))
	if n, err := strconv.ParseInt(string(number), 10, 64); err == nil {
		*sum = n << 10
	}
}

// parseMapping reads a line such as "7f12-7f34 r-xp 0000 fe:00 1234    /path".
func parseMapping(line string) (m mapping, name string, err error) {
	fields := strings.SplitN(line, " ", 6)
	if len(fields) < 5 {
		return m, "", fmt.Errorf("unexpected line %q", line)
	}
	from, to, _ := strings.Cut(fields[0], "-")
	start, err := strconv.ParseUint(from, 16, 64)
	if err != nil {
		return m, "", fmt.Errorf("unexpected line %q", line)
	}
	end, err := strconv.ParseUint(to, 16, 64)
	if err != nil {
		return m, "", fmt.Errorf("unexpected line %q", line)
	}
	m.start, m.end = uintptr(start), uintptr(end)
	m.readOnly = strings.HasPrefix(fields[1], "r-") && strings.HasSuffix(fields[1], "p")
	if len(fields) == 6 {
		name = strings.TrimSuffix(strings.TrimLeft(fields[5], " "), " (deleted)")
		name = strings.ReplaceAll(name, `\012`, "\n")
	}
	return m, name, nil
}
