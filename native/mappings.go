package native

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// mapping is one line of the process's memory map.
type mapping struct {
	start, end uintptr
	readOnly   bool
	file       bool // backed by a file, not by zeros
	resident   int64
	changed    int64 // pages that are no longer the file's
	swapped    int64
}

// mappings returns the process's mappings of each of the files.
func mappings(paths ...string) (map[string][]mapping, error) {
	return mappingsIn("/proc/self/smaps", paths)
}

// mappingsIn reads them in a file: smaps, or maps, which has less and is made sooner.
func mappingsIn(file string, paths []string) (map[string][]mapping, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read memory map: %w", err)
	}
	defer f.Close()
	maps, err := parseMaps(f, paths)
	if err != nil {
		return nil, fmt.Errorf("read memory map: %w", err)
	}
	return maps, nil
}

// parseMaps reads the mappings of each path, including the anonymous one that follows them, which has the zeroed variables.
func parseMaps(r io.Reader, paths []string) (map[string][]mapping, error) {
	maps := make(map[string][]mapping, len(paths))
	for _, p := range paths {
		maps[p] = nil
	}
	var path string      // of the mapping that the lines describe
	var current *mapping // that mapping, if it is of one of the paths
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
		if m.file = name != ""; m.file || current == nil || !current.file || current.end != m.start {
			path, current = name, nil
		}
		if list, ok := maps[path]; ok && path != "" {
			maps[path] = append(list, m)
			current = &maps[path][len(list)]
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
	case "Anonymous:":
		// Not Private_Dirty, which also counts pages of a file that is not yet written back; on tmpfs that is never.
		sum = &m.changed
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
