package native

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"plugin"
	"runtime/debug"
	"sync/atomic"
)

// An Image is an opened image. It stays for the life of the process.
type Image struct {
	path   string
	info   *Info
	plugin *plugin.Plugin
	extent atomic.Pointer[extent] // nil until somebody has asked for its memory
}

// Path returns the path of the file that the image was opened from, with symbolic links resolved.
func (im *Image) Path() string { return im.path }

// Info returns the facts of the image, as read before it was opened. The caller must not modify them.
func (im *Image) Info() *Info { return im.info }

// Open opens the image at path and runs its init functions. It does so at most once per file and process: another Open of the
// same file, through any path, returns the same Image or the same error. After an error of the attempt itself (ErrRefused,
// ErrInit) the path is unusable, whatever file is there later, and usually the process must be replaced: see Poisoned.
//
// Before the attempt, Check decides whether the image would end or corrupt the process; a *Rejection has no such consequences.
// Open doesn't read all of the file: that a sealed image is whole, InspectFile has to have found out. If that was the last that
// InspectFile did, and the file hasn't changed since, Open takes its facts.
// Images are opened one at a time, because the runtime dies if two initialise the same package at once; so an init function
// can't open another image. If ctx ends, Open returns ErrPending: if the attempt hasn't begun, nothing has happened; if it has,
// it continues, and a later Open returns its result.
func Open(ctx context.Context, path string) (*Image, error) {
	im, err := opened.open(ctx, path, judge)
	if err != nil {
		return nil, fmt.Errorf("open image: %w", err)
	}
	return im, nil
}

// OpenJudged is Open for an image that another process of the same program has inspected, and that Check has found good there: info are
// the facts that it has found. Nothing is judged again, so this process may end where Open would have refused the image.
func OpenJudged(ctx context.Context, path string, info *Info) (*Image, error) {
	im, err := opened.open(ctx, path, func(path string) (*attempt, error) {
		file, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		return newAttempt(path, file, info), nil
	})
	if err != nil {
		return nil, fmt.Errorf("open image: %w", err)
	}
	return im, nil
}

// Opened returns the images that are open, oldest first.
func Opened() []*Image {
	return opened.images()
}

// Opening returns the paths of the images whose opening has begun and hasn't ended, perhaps because nobody waits for it any more. Open waits
// for it again.
func Opening() []string { return opened.opening() }

// Mapped returns the paths of the files that this process has mapped as images or may be mapping just now: those of Opened, those whose opening hasn't ended,
// perhaps because nobody waits for it any more, and those that failed and left something. A file at such a path must stay the one that it is.
func Mapped() (paths []string) {
	for _, l := range opened.loaded() {
		paths = append(paths, l.Path)
	}
	return paths
}

// Poisoned returns why the process should be replaced, or nil. It should if an Open has failed and left the image mapped, or if
// one continues after its caller stopped waiting. Open images keep working, but images that share a package with the failed one
// are rejected.
func Poisoned() error {
	return opened.poisoned()
}

// InitError reports that an init function of an image panicked or ended its goroutine.
type InitError struct {
	PluginPath string
	Value      any    // what was passed to panic; nil after runtime.Goexit
	Stack      []byte // of the goroutine, in the form of debug.Stack

	// Collision explains the panic if it came from a package that another open image shares; nil otherwise.
	Collision *Collision
}

func (e *InitError) Error() string {
	if e.Value == nil {
		return fmt.Sprintf("init of %s ended its goroutine", e.PluginPath)
	}
	if e.Collision != nil {
		return fmt.Sprintf("init of %s panicked: %v; %s", e.PluginPath, e.Value, e.Collision)
	}
	return fmt.Sprintf("init of %s panicked: %v", e.PluginPath, e.Value)
}

// Is makes the error match ErrInit.
func (e *InitError) Is(target error) bool { return target == ErrInit }

// Unwrap returns the value of the panic if that is an error.
func (e *InitError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

func (r *registry) open(ctx context.Context, path string, judge func(path string) (*attempt, error)) (*Image, error) {
	resolved, err := realPath(path)
	if a, err := r.find(resolved); err != nil {
		return nil, err
	} else if a != nil {
		return r.wait(ctx, a)
	}
	if err != nil {
		return nil, err
	}
	select {
	case r.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: another image is being opened: %w", ErrPending, context.Cause(ctx))
	}
	// While this caller waited for its turn, another one may have opened this very file.
	a, err := r.find(resolved)
	if a == nil && err == nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", ErrPending, context.Cause(ctx))
	}
	if a == nil && err == nil {
		if a, err = judge(resolved); err == nil {
			r.begin(a)
			return r.wait(ctx, a)
		}
	}
	<-r.turn
	if err != nil {
		return nil, err
	}
	return r.wait(ctx, a)
}

// judge returns the attempt to make, or why the image must not be tried. The caller has the turn, so the judgement still holds
// when the attempt begins.
func judge(path string) (*attempt, error) {
	inspected, file := opened.recent.take(path)
	if inspected == nil {
		var err error
		if inspected, file, err = inspectFile(path, false); err != nil {
			return nil, err
		}
	}
	self, err := Self()
	if err != nil {
		return nil, err
	}
	if err := Check(inspected, self, Requirements{}); err != nil {
		return nil, err
	}
	return newAttempt(path, file, inspected), nil
}

func newAttempt(path string, file os.FileInfo, inspected *Info) *attempt {
	info := *inspected // which others may have
	info.Takes = nil   // nobody asks again, and an image may have thousands
	return &attempt{path: path, file: file, info: &info, done: make(chan struct{})}
}

// begin starts the attempt, which returns the turn when it ends. If an init function never returns, nothing can end the goroutine
// and the turn is never returned.
func (r *registry) begin(a *attempt) {
	r.add(a)
	go func() {
		defer func() { <-r.turn }()
		p, err := load(a)
		r.finish(a, p, err)
	}()
}

// load calls the runtime. An error leaves the path unusable: after a panic in init the next plugin.Open of it never returns.
func load(a *attempt) (p *plugin.Plugin, err error) {
	returned := false
	done := make(chan struct{})
	// runtime.Goexit in an init function ends its goroutine without a panic, so it needs one of its own.
	go func() {
		defer close(done)
		defer func() {
			if !returned {
				value, stack := recover(), debug.Stack()
				err = &InitError{PluginPath: a.info.PluginPath, Value: value, Stack: stack, Collision: FindCollision(value, stack, a.info)}
			}
		}()
		p, err = plugin.Open(a.path)
		returned = true
	}()
	<-done
	if err != nil && !errors.Is(err, ErrInit) {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return p, err
}

// realPath returns the path by which the runtime identifies the file.
func realPath(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	resolved, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return abs, err // to find an image that was opened from here and then removed
	}
	return resolved, nil
}

// wait returns the result of an attempt, or ErrPending when ctx ends first.
func (r *registry) wait(ctx context.Context, a *attempt) (*Image, error) {
	select {
	case <-a.done:
		return a.image, a.err
	default: // return a known result even if ctx has ended
	}
	select {
	case <-a.done:
		return a.image, a.err
	case <-ctx.Done():
		r.abandon(a)
		return nil, fmt.Errorf("%w: %w", ErrPending, context.Cause(ctx))
	}
}
