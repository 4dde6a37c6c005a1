package native

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Memory is the memory that an image takes, in bytes.
type Memory struct {
	Mapped       int64 `json:"mapped"`        // address space
	Resident     int64 `json:"resident"`      // in RAM, including pages shared with other processes
	PrivateDirty int64 `json:"private_dirty"` // in RAM, changed by this process: only its exit frees it
	Swapped      int64 `json:"swapped"`
}

// Memory returns the memory that the image takes now, including its variables. It counts only the image's own mappings, not what
// its code has allocated.
func (im *Image) Memory() (Memory, error) {
	m, err := MemoryOf(im)
	if err != nil {
		return Memory{}, err
	}
	return m[0], nil
}

// MemoryOf returns the memory of several images. It takes some microseconds for each, and some milliseconds where the kernel doesn't
// tell of single pages.
func MemoryOf(images ...*Image) ([]Memory, error) {
	if m, err := memoryByPage(images); err == nil {
		return m, nil
	}
	return memoryByMapping(images)
}

// memoryByMapping has the kernel add up the pages of all mappings of the process, whosever they are.
func memoryByMapping(images []*Image) ([]Memory, error) {
	paths := make([]string, len(images))
	for i, im := range images {
		paths[i] = im.path
	}
	maps, err := mappings(paths...)
	if err != nil {
		return nil, err
	}
	memories := make([]Memory, len(images))
	for i, path := range paths {
		if len(maps[path]) == 0 {
			return nil, fmt.Errorf("account for %s: %w", path, ErrNotMapped)
		}
		m := &memories[i]
		for _, p := range ofImage(maps[path], images[i].info.MemSize) {
			m.Mapped += int64(p.end - p.start)
			m.Resident += p.resident
			m.PrivateDirty += p.changed
			m.Swapped += p.swapped
		}
	}
	return memories, nil
}

// ofImage returns the mappings of an image that takes size bytes from the first on. What follows it may be anything, and the kernel
// makes one mapping of the image's zeroed variables and anonymous memory behind them: of such a one at most the image's part counts.
func ofImage(maps []mapping, size int64) []mapping {
	end := maps[0].start
	for _, m := range maps {
		end = min(end, m.start)
	}
	page := uintptr(os.Getpagesize())
	end = (end + uintptr(size) + page - 1) &^ (page - 1)
	var own []mapping
	for _, m := range maps {
		if m.file || m.end <= end {
			own = append(own, m)
		} else if m.start < end {
			m.end = end
			part := int64(end - m.start)
			m.resident, m.changed, m.swapped = min(m.resident, part), min(m.changed, part), min(m.swapped, part)
			own = append(own, m)
		}
	}
	return own
}

// Cool returns the image's unchanged pages to the kernel and reports how many bytes that was. The image stays callable: its code
// is read from the file again, page by page, when it runs. The file must be unchanged since it was opened.
// Of a small image there is next to nothing to give back, and Cool does nothing.
func (im *Image) Cool() (int64, error) {
	if im.info != nil && im.info.MemSize < minCool {
		return 0, nil
	}
	return cool(im.path)
}

// minCool is the size in bytes from which an image is cooled. What is given back of a slim image of 36 KiB is 5 KiB, as soon as the
// runtime has read its tables again; reading the memory map takes 1 ms, and 5 ms in a process with a hundred images.
const minCool = 128 << 10

// CoolProgram is Cool for the running program. A large program never again needs most of what it touches at its start.
func CoolProgram() (int64, error) {
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return 0, fmt.Errorf("cool the program: %w", err)
	}
	return cool(strings.TrimSuffix(path, " (deleted)"))
}

func cool(path string) (int64, error) {
	maps, err := mappings(path)
	if err != nil {
		return 0, err
	}
	if len(maps[path]) == 0 {
		return 0, fmt.Errorf("cool %s: %w", path, ErrNotMapped)
	}
	var cooled int64
	for _, p := range maps[path] {
		// A mapping with changed pages, such as relocated constants, would be read from the file without the changes.
		if !p.readOnly || !p.file || p.changed > 0 || p.swapped > 0 || p.resident == 0 {
			continue
		}
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, p.start, p.end-p.start, unix.MADV_DONTNEED); errno != 0 {
			return cooled, fmt.Errorf("cool %s: %w", path, errno)
		}
		cooled += p.resident
	}
	return cooled, nil
}
