package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/events"
	"github.com/sohost/sohost/internal/fault"
	"github.com/sohost/sohost/internal/passing"
	"github.com/sohost/sohost/internal/self"
	"github.com/sohost/sohost/internal/server/listener"
	"github.com/sohost/sohost/internal/server/worker"
)

// askBacklog is how many handovers a worker may ask for before it serves. It asks for one at a time for each plugin at most, and
// seldom for more than one.
const askBacklog = 16

// process is one worker.
type process struct {
	proc     *os.Process
	pid      int
	among    *children         // has it until its end
	lock     *generations.Lock // the store's, which it was given
	watched  time.Time         // since when this process watches it; unlike started, it has a clock that nobody sets
	program  *program          // nil: that of this process, or it was started by the one before
	started  time.Time
	oomKills int64 // what oomKills returned when it was started
	heard    *events.Log
	link     *passing.Conn
	output   *os.File // gets what the Go runtime says when it crashes
	calls    *os.File // has which images are in calls, see sohost.Process; nil if the program before an upgrade knew of no such file

	lasts     time.Duration       // how long it may take to end once it has given its plugins away
	listeners []listener.Settings // as it was told when it was started
	since     time.Time           // when it has given its plugins away; Supervisor.mu guards it
	left      atomic.Int64        // the connections that it still had then, as it said last

	served  chan struct{}                       // closed once it serves
	serving atomic.Pointer[worker.Serving]      // what it said then
	given   chan worker.Given                   // one for each Give
	asks    chan worker.Ask                     // closed with silent
	failed  atomic.Pointer[string]              // why it ended without having served
	booting atomic.Pointer[sohost.BootProgress] // how far it is, before it serves
	asked   atomic.Int64                        // when it was sent the first ping that it hasn't answered, as time since watched; 0: it owes none
	hung    string                              // for how long it didn't answer, set before it is ended for that
	stopped bool                                // by somebody, and so it didn't; set with hung

	pings  chan uint64
	paused chan struct{} // gets one for each pause of the link, once nobody listens
	wake   chan struct{} // gets one for each end of a pause
	silent chan struct{} // closed when all its words are taken and none can follow
	closed chan struct{} // closed by close
	tasks  sync.WaitGroup

	once   sync.Once        // for what follows
	exited chan struct{}    // closed when the rest is set
	state  *os.ProcessState // nil if it is lost, or if the program before an upgrade has waited for it
	lost   bool             // it was killed and doesn't end: it hangs in the kernel
	ended  time.Time
	uptime generations.Uptime // the same moment
}

// spawn starts a worker, which waits for its Start order. A nil program is this one. heard gets the events of which the worker tells.
func spawn(program *program, among *children, heard *events.Log) (*process, error) {
	mine, theirs, err := passing.Pair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	link, err := passing.New(mine)
	if err != nil {
		return nil, err
	}
	output, err := passing.MemoryFile("crash output")
	if err != nil {
		link.Close()
		return nil, err
	}
	calls, err := passing.MemoryFile("calls")
	if err != nil {
		link.Close()
		output.Close()
		return nil, err
	}
	cmd := self.Command(context.Background(), program.executable(), "worker")
	if program != nil && os.Getenv(self.LauncherEnv) == "" {
		cmd.Args[0] = program.path // for people who look at the processes
	}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{theirs} // becomes worker.LinkFile
	// A worker that is stopped when this process is killed would keep the lock and the port forever, since nobody is left to
	// notice. The signal is sent when the thread ends that started the worker; one too many does no harm.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGCONT}
	if err = fault.Error("start", "worker"); err == nil {
		err = among.start(cmd)
	}
	if err != nil {
		link.Close()
		output.Close()
		calls.Close()
		if failed := (*os.PathError)(nil); program != nil && errors.As(err, &failed) {
			failed.Path = program.path // not the descriptor by which it was executed
		}
		if errors.Is(err, syscall.ENOEXEC) {
			err = fmt.Errorf("%w; if an emulator runs this program, name it in %s", err, self.LauncherEnv)
		}
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	p := watch(cmd.Process, time.Now(), link, output, calls, among, heard)
	p.program = program
	return p, nil
}

// watch returns the process of a running child. Its close must be called after its end.
func watch(proc *os.Process, started time.Time, link *passing.Conn, output, calls *os.File, among *children, heard *events.Log) *process {
	p := &process{
		proc: proc, pid: proc.Pid, among: among, started: started, watched: time.Now(), oomKills: oomKills(), link: link, output: output, calls: calls, heard: heard,
		served: make(chan struct{}), given: make(chan worker.Given, 1), asks: make(chan worker.Ask, askBacklog),
		pings: make(chan uint64, 1), paused: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		silent: make(chan struct{}), closed: make(chan struct{}), exited: make(chan struct{}),
	}
	p.tasks.Go(p.listen)
	p.tasks.Go(p.sendPings)
	go p.wait() // not among the tasks: no one can wait for a process that hangs in the kernel
	return p
}

// listen takes the worker's words until it is gone.
func (p *process) listen() {
	defer close(p.silent)
	defer close(p.asks)
	for {
		var w worker.Word
		files, err := p.link.Receive(&w)
		passing.Close(files)
		if err == passing.ErrPaused {
			p.paused <- struct{}{}
			<-p.wake
			continue
		}
		if err != nil {
			return
		}
		if w.Pong != 0 {
			p.asked.Store(0)
		}
		if w.Left != nil {
			p.left.Store(int64(w.Left.Connections))
		}
		if w.Serving != nil && p.serving.CompareAndSwap(nil, w.Serving) {
			close(p.served)
		}
		switch {
		case w.Given != nil:
			select {
			case p.given <- *w.Given:
			default: // a second report on one handover
			}
		case w.Events != nil:
			p.heard.Add(p.pid, w.Events.Events...)
			p.heard.Lose(w.Events.Lost)
		case w.Booting != nil:
			p.booting.Store(w.Booting)
		case w.Ask != nil:
			p.hear(*w.Ask)
		case w.Failed != "":
			p.failed.Store(&w.Failed)
		}
	}
}

// hear passes an ask on. listen calls it and must not wait: whoever pauses the link waits for listen.
func (p *process) hear(ask worker.Ask) {
	select {
	case p.asks <- ask:
	default:
		told := worker.Answer{ID: ask.ID, Error: "too many handovers are asked for"}
		p.tasks.Go(func() { p.link.Send(worker.Order{Answer: &told}) })
	}
}

// release returns the release that the process serves, as it said when it began to.
func (p *process) release() int {
	if serving := p.serving.Load(); serving != nil {
		return serving.Release
	}
	return 0
}

// lastWords is how long listen may take to read what a worker said before it ended. Only one that nobody listens to needs more.
const lastWords = time.Second

// wait waits for the end of the process, and then until listen knows all that it said: why it failed counts for more than how it
// exited.
func (p *process) wait() {
	state, _ := p.proc.Wait()
	fault.Error("wait", "worker") // only when a test wants it to take longer
	p.among.forget(p.pid)
	select {
	case <-p.silent:
	case <-time.After(lastWords):
	}
	p.end(state, false)
}

// end notes that the process is gone, or lost, and reports whether that wasn't known yet.
func (p *process) end(state *os.ProcessState, lost bool) (news bool) {
	p.once.Do(func() {
		now := generations.Now()
		p.state, p.lost, p.ended, p.uptime, news = state, lost, now.Time, now.Uptime, true
		close(p.exited)
	})
	return news
}

// pause stops listening to the process until resume; what it says meanwhile waits. It reports false if the process has nothing
// left to say, and then there is nothing to resume.
func (p *process) pause() bool {
	p.link.Pause()
	select {
	case <-p.paused:
		return true
	case <-p.silent:
		return false
	}
}

// resume ends a pause.
func (p *process) resume() {
	p.link.Resume()
	p.wake <- struct{}{}
}

// gone reports whether the process has ended.
func (p *process) gone() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// close releases what belongs to a process that is gone. It is called once.
func (p *process) close() {
	close(p.closed)
	p.link.Close()
	p.output.Close()
	p.calls.Close() // which may be nil
	p.tasks.Wait()
}

// ping asks the process whether it is alive. It doesn't block.
func (p *process) ping(n uint64) {
	p.asked.CompareAndSwap(0, int64(time.Since(p.watched)))
	select {
	case p.pings <- n:
	default: // it hasn't read the ones before
	}
}

// sendPings has a goroutine of its own, since a process that hangs doesn't read.
func (p *process) sendPings() {
	for {
		select {
		case n := <-p.pings:
			p.link.Send(worker.Order{Ping: n})
		case <-p.closed:
			return
		}
	}
}

// silence returns for how long the process has owed an answer; 0 if it owes none.
func (p *process) silence() time.Duration {
	asked := p.asked.Load()
	if asked == 0 {
		return 0
	}
	return time.Since(p.watched) - time.Duration(asked)
}
