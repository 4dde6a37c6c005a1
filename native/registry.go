package native

import (
	"cmp"
	"fmt"
	"os"
	"plugin"
	"sync"
)

// opened is a package-level variable because what it describes is one of the process: the Go runtime's list of modules, which
// nobody can have a second one of, and from which nothing is ever removed.
var opened = registry{turn: make(chan struct{}, 1)}

// registry holds every attempt to open an image, in order.
type registry struct {
	turn chan struct{} // full while an attempt goes on; taken before mu

	mu       sync.Mutex // guards attempts and what changes in each; its result may be read without once done is closed
	attempts []*attempt
}

// attempt is the one try that an image gets.
type attempt struct {
	path string
	file os.FileInfo
	info *Info
	done chan struct{} // closed when image and err are final

	image *Image
	err   error

	ended     bool
	unmapped  bool // the loader refused the image and left nothing of it
	abandoned bool // a caller gave up waiting
}

// find returns the attempt for a file. It is ErrReplaced if the path was opened before with another file: the runtime keeps an
// image by its path and would return the old one.
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
		// The dynamic loader knows a file by its device and inode: under a second name it maps nothing new.
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

// finish notes the result of an attempt and releases those who wait for it.
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
			return fmt.Errorf("process is due for replacement: %s: %w", a.path, cmp.Or(a.err, ErrPending))
		}
	}
	return nil
}

// broken says whether an image is mapped whose opening failed, or takes longer than its caller would wait.
func (a *attempt) broken() bool {
	if !a.ended {
		return a.abandoned
	}
	return a.err != nil && !a.unmapped
}
