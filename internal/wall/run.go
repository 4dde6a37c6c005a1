package wall

import (
	"context"
	"errors"
	"os/exec"
	"sync"
	"time"
)

// Wall runs children. Its zero value is ready.
type Wall struct {
	mu     sync.Mutex // guards the fields below
	choice int        // the first of choices that may work
	lacks  error      // why the ones before don't
	layers []Layer
}

// Layers returns the layers that the last walled child ran behind, nil if there was none yet.
func (w *Wall) Layers() []Layer {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.layers
}

// Options says how a child is run.
type Options struct {
	// Limit is how long the child may take, not counting the time that it waited for a CPU; at most six times that in all.
	// Default: no limit.
	Limit time.Duration

	// Memory is how much memory the child may take, in bytes. Default: half of the machine's, at most 2 GiB.
	Memory int64

	// MustHold runs the child only if it can't reach this process: see Holds. Otherwise Run returns ErrOpen.
	MustHold bool

	// Unwalled runs the child without any layer: it has the rights of this process.
	Unwalled bool
}

// Outcome is what became of a child.
type Outcome struct {
	Started bool
	Begun   bool     // it has received what it was to do, before it did any of it
	Report  []byte   // what it has reported; nil if it has not
	Status  error    // how it ended: nil for exit status 0, else what exec.Cmd.Wait returns; SIGSYS if it killed or stopped itself
	Tried   []string // what the wall didn't let it do, such as "write to /etc/passwd (openat)"; the child went on with an error
	Harm    string   // what it was ended for because no code that begins has a reason to do it, such as "send SIGKILL to …"
	Layers  []Layer  // what it ran behind
}

// ErrLimit is returned when a child has not ended within its limit.
var ErrLimit = errors.New("over its time limit")

// ErrOpen is returned for a child that must not be able to reach its parent where the kernel can't prevent it.
var ErrOpen = errors.New("no layer keeps a child from reaching this process")

// Run starts the command, which must call Enter, and waits for its end: see Start and Child.Wait. If no child could be started the
// outcome says so, and the error why.
func (w *Wall) Run(ctx context.Context, o Options, command func() *exec.Cmd) (Outcome, error) {
	c, err := w.Start(o, command)
	if err != nil {
		return Outcome{}, err
	}
	return c.Wait(ctx, o.Limit, nil)
}
