package watch

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
)

// Event reports that a target has changed and settled.
type Event struct {
	// Path is the target's path as it was given.
	Path string

	// Names are the entries of a directory that were changed, created or removed, sorted. It is empty for a file, and for a
	// directory if any entry may have changed.
	Names []string
}

// Status describes how a target is watched.
type Status struct {
	Mode   string `json:"mode"`             // "inotify" or "poll"
	Reason string `json:"reason,omitempty"` // why it is polled
}

// A Target is a watched path.
type Target struct {
	path    string // as given
	abs     string // absolute, but otherwise as given: filepath.Clean would misread ".." after a symbolic link
	base    string // the key in pending and seen for a file; empty for a directory
	match   func(name string) bool
	call    func(Event)
	removed atomic.Bool
	status  atomic.Pointer[Status]
	loop    *loop

	// The loop owns these.
	claims  map[int32][]point    // by watch descriptor
	armed   []point              // the same, in the order of the path
	polled  bool                 // if so, seen is set and there are no claims
	seen    map[string]signature // what the last poll found
	quiet   settle
	pending map[string]signature // changed and not yet reported: see touch
	whole   bool                 // any entry may have changed
	out     *Event               // waits to be delivered
}

// File calls fn whenever the file at path has been changed, replaced or created, through whatever symbolic links lead to it.
// An existing file is not an event: to miss no change, look at it after File has returned. The path need not exist. There is
// no event when the file is removed, but there is one for a directory or a FIFO in its place, so fn must not block on opening
// it.
//
// A watcher makes the calls for all its targets from one goroutine, one after the other. A slow call delays the others and
// loses nothing: what happens meanwhile leads to one more call. fn may add and remove targets.
//
// The error is ErrClosed, or reports why path can't be made absolute.
func (w *Watcher) File(path string, fn func(Event)) (*Target, error) {
	t := &Target{path: path, base: filepath.Base(path), call: fn}
	return w.loop.add(t)
}

// Dir is like File, for the entries of a directory whose names match accepts; nil accepts all. Removed entries lead to events
// too, and so does the removal of the directory: after a build that begins with "rm -r" there is an event and nothing to see.
// Subdirectories are not watched. match must depend only on the name.
func (w *Watcher) Dir(dir string, match func(name string) bool, fn func(Event)) (*Target, error) {
	if match == nil {
		match = func(string) bool { return true }
	}
	t := &Target{path: dir, match: match, call: fn}
	return w.loop.add(t)
}

// Status returns how the target is currently watched.
func (t *Target) Status() Status { return *t.status.Load() }

// Remove stops watching the target. Once it has returned, no further call will begin, but one may still be running.
func (t *Target) Remove() {
	t.removed.Store(true)
	t.loop.drop(t)
}

func (t *Target) isDir() bool { return t.base == "" }

// entryPath returns the path of an entry in pending or seen.
func (t *Target) entryPath(name string) string {
	if t.isDir() {
		return t.abs + "/" + name
	}
	return t.abs
}

// absolute is filepath.Abs without the cleaning.
func absolute(path string) (string, error) {
	if path == "" {
		return "", errors.New("watch: empty path")
	}
	if filepath.IsAbs(path) {
		return path, nil
	}
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	return wd + "/" + path, nil
}
