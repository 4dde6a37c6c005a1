package wall

import (
	"context"
	"encoding/json"
	"net"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/sohost/sohost/internal/scratch"
	"golang.org/x/sys/unix"
)

// Child is a command that runs behind a wall. Wall.Start makes one, and Wait or End ends it; one of them must be called, once.
type Child struct {
	*child
	wall     *Wall
	walled   bool
	remove   func()        // of the scratch folder
	harm     chan string   // gets what it is to be ended for
	received chan struct{} // closed when nothing more comes from it
	ended    chan struct{} // closed when it has ended
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
	before  time.Duration               // what waited returned before its time began

	admitted chan struct{} // closed by receive when it may be told what to do
	begun    bool          // this and the next are filled in by receive
	report   []byte

	mu     sync.Mutex // guards inside until the link is closed
	inside []Layer
	open   bool // it must not be able to reach this process, and is
	judge  *judge
}

// Start starts the command, which must call Enter. command may be called more than once. The environment and the standard files are the
// command's own, but for what lets a program speak for its parent, such as NOTIFY_SOCKET; temporary files go to a folder that is removed
// afterwards. The child is on its way behind the wall when Start returns. It ends with this process, whatever ends that.
//
// o.Limit is only used for the bounds that the kernel enforces: the time of Wait is bounded by its own argument.
func (w *Wall) Start(o Options, command func() *exec.Cmd) (*Child, error) {
	dir, remove, _ := scratch.New("sohost-probe") // without one the child can write nowhere
	started, err := w.start(dir, o, command)
	if err != nil {
		remove()
		return nil, err
	}
	c := &Child{child: started, wall: w, walled: !o.Unwalled, remove: remove,
		harm: make(chan string, 1), received: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(c.received)
		c.receive(c.harm, o.MustHold)
	}()
	if text, err := json.Marshal(order{Walled: !o.Unwalled, Waits: o.MustHold, Bounds: boundsFor(o)}); err == nil {
		c.link.Write(text) // the child ends if it gets none
	}
	go func() {
		defer close(c.ended)
		c.await()
	}()
	return c, nil
}

// Pid returns the number of the child's process.
func (c *Child) Pid() int { return c.cmd.Process.Pid }

// Ended returns a channel that is closed when the child has ended, of itself or by another's hand.
func (c *Child) Ended() <-chan struct{} { return c.ended }

// Wait tells the child what to do, unless task is nil, and waits for its end. limit begins now; see Options.Limit.
//
// When Wait returns, the child and all that it has started are gone. The error is ErrLimit, ErrOpen or the cause of ctx's end; the
// outcome holds what is known even so.
func (c *Child) Wait(ctx context.Context, limit time.Duration, task []byte) (Outcome, error) {
	told := make(chan struct{})
	go func() {
		defer close(told)
		if task != nil {
			c.tell(task)
		}
	}()
	c.before = c.waited(c.Pid()) // while the child begins
	harm, err := c.patience(ctx, limit, c.ended, c.harm)
	return c.end(harm, err, told)
}

// End ends the child and all that it has started.
func (c *Child) End() {
	told := make(chan struct{})
	close(told)
	c.end("", nil, told)
}

// end is the end of Wait and End.
func (c *Child) end(harm string, err error, told <-chan struct{}) (Outcome, error) {
	defer c.remove()
	defer c.thread.end()
	syscall.Kill(c.Pid(), syscall.SIGKILL)
	<-c.ended
	syscall.Kill(-c.Pid(), syscall.SIGKILL)
	c.endFamily()
	c.link.CloseRead() // something may still hold the other end open
	<-c.received
	c.link.Close()
	<-told
	out := Outcome{Started: true, Begun: c.begun, Harm: harm, Status: c.cmd.Wait(), Report: c.report, Layers: c.all()}
	if c.open && err == nil {
		err = ErrOpen
	}
	if c.judge != nil {
		out.Tried = c.judge.tried
	}
	if c.walled && len(out.Layers) > 0 {
		c.wall.mu.Lock()
		defer c.wall.mu.Unlock()
		c.wall.layers = out.Layers
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
