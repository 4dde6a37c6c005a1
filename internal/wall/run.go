package wall

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
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

// Run starts the command, which must call Enter, and waits for its end. command may be called more than once. The
// environment and the standard files are the command's own, but for what lets a program speak for its parent, such as NOTIFY_SOCKET;
// temporary files go to a folder that is removed afterwards.
//
// When Run returns, the child and all that it has started are gone. The error is ErrLimit, the cause of ctx's end, or why no child
// could be started; the outcome holds what is known even so.
func (w *Wall) Run(ctx context.Context, o Options, command func() *exec.Cmd) (Outcome, error) {
	scratch, remove := newScratch() // without one the child can write nowhere
	defer remove()
	c, err := w.start(scratch, o, command)
	if err != nil {
		return Outcome{}, err
	}
	defer c.thread.end()
	out, err := c.run(ctx, o)
	out.Started = true
	if !o.Unwalled && len(out.Layers) > 0 {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.layers = out.Layers
	}
	return out, err
}

// child is a started command.
type child struct {
	cmd     *exec.Cmd
	thread  *thread
	link    *net.UnixConn
	scratch string
	mark    string                      // in the environment of all that it has started
	layers  []Layer                     // that were in force when it started
	waited  func(pid int) time.Duration // waitedForCPU, but in tests

	report []byte // this and the rest are filled in by receive

	mu     sync.Mutex // guards inside until the link is closed
	inside []Layer
	open   bool // it must not be able to reach this process, and is
	judge  *judge
}

// run lets the child enter, and waits for its end and the end of all that it has started.
func (c *child) run(ctx context.Context, o Options) (out Outcome, err error) {
	harm := make(chan string, 1)
	received := make(chan struct{})
	go func() {
		defer close(received)
		c.receive(harm, o.MustHold)
	}()
	if text, err := json.Marshal(order{Walled: !o.Unwalled, Waits: o.MustHold, Bounds: boundsFor(o)}); err == nil {
		c.link.Write(text) // the child ends if it gets none
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.await()
	}()
	out.Harm, err = c.patience(ctx, o.Limit, ended, harm)
	syscall.Kill(c.cmd.Process.Pid, syscall.SIGKILL)
	<-ended
	syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	c.endFamily()
	c.link.CloseRead() // something may still hold the other end open
	<-received
	c.link.Close()
	out.Status = c.cmd.Wait()
	if c.open && err == nil {
		err = ErrOpen
	}
	out.Report, out.Layers = c.report, c.all()
	if c.judge != nil {
		out.Tried = c.judge.tried
	}
	return out, err
}

// all returns the layers that are known of by now.
func (c *child) all() []Layer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Concat(c.layers, c.inside)
}

// await waits for the child and leaves it a zombie, so that the number of its group isn't used again before the group is ended.
func (c *child) await() {
	ignoringInterrupts(func() (int, error) {
		return 0, unix.Waitid(unix.P_PID, c.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
	})
}

// receive takes what the child sends, and serves its filter, until the child's end of the link is closed.
func (c *child) receive(harm chan<- string, mustHold bool) {
	var serving sync.WaitGroup
	var listener *os.File
	text, rights := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4))
	for first := true; ; first = false {
		n, rn, _, _, err := c.link.ReadMsgUnix(text, rights)
		file := receivedFile(rights[:rn])
		if file != nil && (!first || err != nil || n == 0) { // later messages are an image's
			file.Close()
		}
		if err != nil || n == 0 {
			break
		}
		if !first {
			c.report = append([]byte(nil), text[:n]...)
			continue
		}
		var e entered
		if json.Unmarshal(text[:n], &e) == nil {
			c.mu.Lock()
			c.inside = e.Layers
			c.mu.Unlock()
		}
		if mustHold && Holds(c.all()) {
			c.link.Write([]byte("go")) // otherwise the child ends without it
		} else if mustHold {
			c.open = true
			c.link.CloseWrite()
		}
		if listener = file; listener != nil {
			c.judge = newJudge(c.writable(), harm)
			serving.Go(func() { c.judge.serve(listener) })
		}
	}
	if listener != nil {
		listener.Close()
	}
	serving.Wait()
}

// writable returns the folder that the child may write to, "" if nothing but the filter would keep it there.
func (c *child) writable() string {
	for _, l := range c.layers {
		if l.Name == Landlock && l.InForce {
			return c.scratch
		}
	}
	return ""
}

func receivedFile(rights []byte) *os.File {
	var files []int
	messages, _ := unix.ParseSocketControlMessage(rights)
	for i := range messages {
		some, _ := unix.ParseUnixRights(&messages[i])
		files = append(files, some...)
	}
	for i, file := range files {
		unix.CloseOnExec(file)
		if i > 0 || unix.SetNonblock(file, true) != nil { // so that a closed file ends the wait for it
			unix.Close(file)
			files[i] = -1
		}
	}
	if len(files) == 0 || files[0] < 0 {
		return nil
	}
	return os.NewFile(uintptr(files[0]), "system calls of a child")
}
