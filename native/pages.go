package native

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
)

// What /proc/PID/pagemap says of a page, as in the kernel's Documentation/admin-guide/mm/pagemap.rst.
const (
	pagePresent   = 1 << 63
	pageSwapped   = 1 << 62
	pageOfFile    = 1 << 61 // of a file, or shared
	pageExclusive = 1 << 56 // mapped by this process alone
)

// extent is where an image is mapped, which never changes.
type extent struct {
	start, end uintptr
	mapped     int64 // of that, in bytes: between segments may be nothing
}

var errNoPages = errors.New("the kernel doesn't tell of single pages")

// memoryByPage looks at the images' own pages. It fails where the kernel, or what stands in for it, such as an emulator, doesn't tell of
// pages.
func memoryByPage(images []*Image) ([]Memory, error) {
	if err := locate(images); err != nil {
		return nil, err
	}
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	memories := make([]Memory, len(images))
	var entries []byte
	for i, im := range images {
		if memories[i], entries, err = im.extent.Load().count(f, entries); err != nil {
			return nil, fmt.Errorf("account for %s: %w", im.path, err)
		}
	}
	return memories, nil
}

// locate finds out where those images are mapped of which that isn't known yet.
func locate(images []*Image) error {
	var paths []string
	for _, im := range images {
		if im.extent.Load() == nil {
			paths = append(paths, im.path)
		}
	}
	if len(paths) == 0 {
		return nil
	}
	maps, err := mappingsIn("/proc/self/maps", paths)
	if err != nil {
		return err
	}
	for _, im := range images {
		if im.extent.Load() != nil {
			continue
		}
		if len(maps[im.path]) == 0 {
			return fmt.Errorf("account for %s: %w", im.path, ErrNotMapped)
		}
		own := ofImage(maps[im.path], im.info.MemSize)
		s := extent{start: own[0].start}
		for _, m := range own {
			s.start, s.end = min(s.start, m.start), max(s.end, m.end)
			s.mapped += int64(m.end - m.start)
		}
		im.extent.Store(&s)
	}
	return nil
}

// count counts the pages of an extent, with pagemap open and room for what is read from it.
func (s *extent) count(pagemap *os.File, room []byte) (m Memory, entries []byte, err error) {
	page := uintptr(os.Getpagesize())
	n := int((s.end - s.start) / page * 8)
	if cap(room) < n {
		room = make([]byte, n)
	}
	entries = room[:n]
	if _, err := pagemap.ReadAt(entries, int64(s.start/page*8)); err != nil {
		return m, entries, err
	}
	m.Mapped = s.mapped
	for at := 0; at < n; at += 8 {
		switch e := binary.NativeEndian.Uint64(entries[at:]); {
		case e&pageSwapped != 0:
			m.Swapped += int64(page)
		case e&pagePresent != 0 && e&pageOfFile != 0:
			m.Resident += int64(page)
		case e&pagePresent != 0 && e&pageExclusive != 0: // or else it is the page of zeros, which variables have that were only read
			m.Resident += int64(page)
			m.PrivateDirty += int64(page)
		}
	}
	if m.Resident+m.Swapped == 0 {
		return m, entries, errNoPages // the image's variables are somewhere
	}
	return m, entries, nil
}
