package native

import (
	"cmp"
	"fmt"
	"os"
	"plugin"
	"sync"
)

// opened is a package-level variable because it mirrors something that a process has only one of: the Go runtime's list of
// modules, from which nothing is ever removed.
var opened = registry{turn: make(chan struct{}, 1)}

// registry holds every attempt to open an image, in order.
type registry struct {
	turn chan struct{} // full while an attempt runs; taken before mu

	mu       sync.Mutex // guards attempts and their fields; image and err may be read without it once done is closed
	attempts []*attempt

	recent recent
}

// attempt is the only attempt to open an image.
type attempt struct {
	path string
	file os.FileInfo
	info *Info
	done chan struct{} // closed when image and err are final

	image *Image
	err   error

	ended     bool
	unmapped  bool // the loader refused the image and left nothing of it mapped
	abandoned bool // a caller stopped waiting
}

// find returns the attempt for a file, or nil. The error is ErrReplaced if another file was opened at the path before: the
// runtime identifies an image by its path and would return the old one.
func (r *registry) find(path string) (*attempt, error) {
	file, err := os.Stat(path)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.attempts {
		same := err == nil && os.SameFile(file, a.file)
		if a.path == path {
			if err == nil && (!same || file.Size() != a.file.Size() || !file.ModTime().Equal(a.file.ModTime())) {
				return nil, fmt.Errorf("%w: %s", ErrReplaced, path)
			}
			return a, nil
		}
		// The dynamic loader identifies a file by device and inode: under a second name it maps nothing new.
		if same {
			return a, nil
		}
	}
	return nil, nil
}

func (r *registry) add(a *attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempts = append(r.attempts, a)
}

// finish records the result of an attempt and releases those that wait for it.
func (r *registry) finish(a *attempt, p *plugin.Plugin, err error) {
	unmapped := false
	if err != nil {
		mapped, scanErr := mappings(a.path)
		unmapped = scanErr == nil && len(mapped[a.path]) == 0
	}
	r.mu.Lock()
	a.ended, a.unmapped, a.err = true, unmapped, err
	if err == nil {
		a.image = &Image{path: a.path, info: a.info, plugin: p}
	}
	r.mu.Unlock()
	close(a.done)
}

func (r *registry) abandon(a *attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a.abandoned = true
}

func (r *registry) images() []*Image {
	r.mu.Lock()
	defer r.mu.Unlock()
	var images []*Image
	for _, a := range r.attempts {
		if a.ended && a.err == nil {
			images = append(images, a.image)
		}
	}
	return images
}

func (r *registry) opening() (paths []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.attempts {
		if !a.ended {
			paths = append(paths, a.path)
		}
	}
	return paths
}

func (r *registry) loaded() []Loaded {
	r.mu.Lock()
	defer r.mu.Unlock()
	var loaded []Loaded
	for _, a := range r.attempts {
		if !a.unmapped {
			loaded = append(loaded, Loaded{Path: a.path, Info: a.info, Broken: a.broken()})
		}
	}
	return loaded
}

func (r *registry) poisoned() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.attempts {
		if a.broken() {
			name := a.path
			if a.info != nil && a.info.Path != "" { // the path is most often that of a copy in a store
				name = a.info.Path
			}
			return fmt.Errorf("the process should be replaced: %s stays mapped: %w", name, cmp.Or(a.err, ErrPending))
		}
	}
	return nil
}

// broken reports whether the image is mapped although opening it failed, or continues after its caller stopped waiting.
func (a *attempt) broken() bool {
	if !a.ended {
		return a.abandoned
	}
	return a.err != nil && !a.unmapped
}
