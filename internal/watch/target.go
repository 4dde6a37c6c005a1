package watch

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
)

// Event says that a target has been changed and is quiet again.
type Event struct {
	// Path is the target's path as it was given.
	Path string

	// Names are the entries of a directory that were changed, made or removed, sorted. It is empty for a file, and for a
	// directory of which any entry may have been changed.
	Names []string
}

// Status says how a target is watched.
type Status struct {
	Mode   string `json:"mode"`             // "inotify" or "poll"
	Reason string `json:"reason,omitempty"` // why it is polled
}

// Target is a path that is being watched.
type Target struct {
	path    string // as given
	abs     string // absolute and otherwise as given: ".." after a symbolic link is not what filepath.Clean makes of it
	base    string // the key in pending and seen for a file; empty for a directory
	match   func(name string) bool
	call    func(Event)
	removed atomic.Bool
	status  atomic.Pointer[Status]
	loop    *loop

	// What follows is owned by the loop.
	claims  map[int32][]point    // by watch descriptor
	polled  bool                 // then seen is set, and there are no claims
	seen    map[string]signature // what the last poll found
	quiet   settle
	pending map[string]signature // what was changed and not yet told, see change
	whole   bool                 // any entry may have been changed
	out     *Event               // what waits to be delivered
}

// File calls fn whenever the file at path has been changed, replaced or made, through whatever symbolic links lead
// to it. What is there already is no event: look at it after File has returned, then no change is missed. The path need
// not exist. There is no event for a file's removal, but one for a directory or a FIFO in its place: whoever looks must not block on it.
//
// The calls for all targets of a watcher come one after the other from one goroutine. A call that takes long delays the
// others and loses nothing: what happens meanwhile leads to one more call. fn may watch further paths and remove targets.
//
// The error is ErrClosed, or says why path can't be made absolute.
func (w *Watcher) File(path string, fn func(Event)) (*Target, error) {
	t := &Target{path: path, base: filepath.Base(path), call: fn}
	return w.loop.add(t)
}

// Dir is like File, for the entries of a directory whose names match accepts; nil accepts all. Removed
// entries lead to events too, and so does the removal of the directory: a build that begins with "rm -r" leads to an event
// in which there is nothing to be seen. What happens in directories below is not watched. match must depend on nothing but the name.
func (w *Watcher) Dir(dir string, match func(name string) bool, fn func(Event)) (*Target, error) {
	if match == nil {
		match = func(string) bool { return true }
	}
	t := &Target{path: dir, match: match, call: fn}
	return w.loop.add(t)
}

// Status returns how the target is watched at the moment.
func (t *Target) Status() Status { return *t.status.Load() }

// Remove ends the watching of the target. When it returns, no further call will begin; one may be running.
func (t *Target) Remove() {
	t.removed.Store(true)
	t.loop.drop(t)
}

func (t *Target) isDir() bool { return t.base == "" }

// entryPath returns the path of what pending and seen have under name.
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
