package native

import (
	"os"
	"sync"
	"syscall"
)

// recent holds the facts of the image that was inspected last, so that opening an image that was just checked doesn't read all of its
// tables again. Open forgets it.
type recent struct {
	mu   sync.Mutex // guards the rest
	file os.FileInfo
	info *Info
}

func (r *recent) remember(file os.FileInfo, info *Info) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.file, r.info = file, info
}

// Inspected returns the facts of the image at path if that is the one that InspectFile has inspected last, it hasn't been opened since,
// and the file hasn't changed; otherwise nil. The caller must not modify them.
func Inspected(path string) *Info {
	info, _ := opened.recent.look(path)
	return info
}

// take returns the facts of the file at path if it is the one that is remembered, and hasn't been written to since; and forgets it.
func (r *recent) take(path string) (*Info, os.FileInfo) {
	info, file := r.look(path)
	r.remember(nil, nil)
	return info, file
}

// look is take that forgets nothing.
func (r *recent) look(path string) (*Info, os.FileInfo) {
	r.mu.Lock()
	info, file := r.info, r.file
	r.mu.Unlock()
	if file == nil {
		return nil, nil
	}
	now, err := os.Stat(path)
	if err != nil || !os.SameFile(now, file) || now.Size() != file.Size() || changed(now) != changed(file) {
		return nil, nil
	}
	return info, file
}

// changed returns when a file's content or attributes changed last. Unlike the time of modification nobody can set it.
func changed(file os.FileInfo) syscall.Timespec {
	if st, ok := file.Sys().(*syscall.Stat_t); ok {
		return st.Ctim
	}
	return syscall.Timespec{}
}
