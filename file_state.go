package sohost

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/regular"
	"github.com/sohost/sohost/internal/watch"
)

// FileState says how a plugin's file is beside what the plugin serves.
type FileState string

const (
	// FileGone is a file that isn't there. The plugin goes on with what it serves.
	FileGone FileState = "gone"
	// FileDiffers is a file, of a plugin in Prod mode, that has another image than the one that serves: Deploy loads it.
	FileDiffers FileState = "differs"
)

// fileLook is what was last found in a plugin's file.
type fileLook struct {
	mu   sync.Mutex     // guards the rest; held while the file is read
	seen string         // its watch.Signature then; empty if that isn't known
	id   generations.ID // of the image in it
}

// hashing bounds how long one Status, or the plan of a handover, reads files whose contents aren't known. Those that are left are read by
// the next, or by the taker.
const hashing = 50 * time.Millisecond

// noteFiles adds to the plugins' status how their files are. Only what isn't known from before is read, and until the deadline.
func (h *Host) noteFiles(all []PluginStatus, deadline time.Time) {
	for i := range all {
		s := &all[i]
		if p, ok := h.table.Load().Named(s.Name); ok && !s.Generation.IsZero() {
			s.File = p.fileState(s.Generation, deadline)
		}
	}
}

// fileState compares the plugin's file with the image that serves. It is empty if they are the same, if the file can't be read, and if
// its contents are unknown and the deadline is over.
func (p *plugin) fileState(serves generations.ID, deadline time.Time) FileState {
	fi, err := os.Stat(p.Image)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return FileGone
	case err != nil || !fi.Mode().IsRegular() || p.Mode != Prod:
		return ""
	}
	p.look.mu.Lock()
	defer p.look.mu.Unlock()
	seen := watch.Signature(p.Image)
	if seen == "" || seen != p.look.seen {
		if time.Now().After(deadline) {
			return ""
		}
		id, err := idOf(p.Image)
		if err != nil {
			return ""
		}
		p.look.seen, p.look.id = seen, id
	}
	if p.look.id == serves {
		return ""
	}
	return FileDiffers
}

// idOf returns the ID of the image in a file.
func idOf(file string) (id generations.ID, err error) {
	f, err := regular.Open(file)
	if err != nil {
		return id, err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return id, err
	}
	copy(id[:], sum.Sum(nil))
	return id, nil
}
