package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sohost/sohost/internal/crash"
	"github.com/sohost/sohost/internal/passing"
	"github.com/sohost/sohost/internal/self"
	"github.com/sohost/sohost/internal/server/worker"
)

// process is one worker.
type process struct {
	proc    *os.Process
	pid     int
	started time.Time
	link    *passing.Conn
	output  *os.File // what it says when it crashes

	served chan worker.Serving // one, once it serves
	given  chan worker.Given   // one for each Give
	asks   chan worker.Ask
	failed atomic.Pointer[string] // why it ended without having served
	asked  atomic.Int64           // since started, when it was first pinged of the times that it hasn't answered; 0: it has

	hung   string           // for how long it didn't answer until it was ended; set before that
	rests  chan struct{}    // one for each pause of the link, once nobody listens
	silent chan struct{}    // closed once all its words are taken and none can follow
	exited chan struct{}    // closed once state is there
	state  *os.ProcessState // nil if the program before has waited for it: see upgrade
	ended  time.Time
}

// spawn starts a worker, which waits for its order to start. An empty program is this one.
func spawn(program string) (*process, error) {
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
	cmd := self.Command(context.Background(), program, "worker")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{theirs} // becomes worker.LinkFile
	// A worker that is stopped when this process is killed would keep the lock and the port for good: nobody is left to find it
	// out. It is the end of the thread that counts, and one more such signal does no harm.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGCONT}
	if err := cmd.Start(); err != nil {
		link.Close()
		output.Close()
		if errors.Is(err, syscall.ENOEXEC) {
			err = fmt.Errorf("%w; if an emulator runs this program, name it in %s", err, self.LauncherEnv)
		}
		return nil, fmt.Errorf("start a worker: %w", err)
	}
	return watch(cmd.Process, time.Now(), link, output), nil
}

// watch makes the process of a child that runs.
func watch(proc *os.Process, started time.Time, link *passing.Conn, output *os.File) *process {
	p := &process{
		proc: proc, pid: proc.Pid, started: started, link: link, output: output,
		served: make(chan worker.Serving, 1), given: make(chan worker.Given, 1), asks: make(chan worker.Ask, 16),
		rests: make(chan struct{}, 1), silent: make(chan struct{}), exited: make(chan struct{}),
	}
	go p.listen()
	go p.wait()
	return p
}

// listen takes the worker's words until it is gone, or the link is paused.
func (p *process) listen() {
	for {
		var w worker.Word
		files, err := p.link.Receive(&w)
		passing.Close(files)
		if err == passing.ErrPaused {
			p.rests <- struct{}{}
			return
		}
		if err != nil {
			close(p.asks)
			close(p.silent)
			return
		}
		switch {
		case w.Pong != 0:
			p.asked.Store(0)
		case w.Serving != nil:
			p.served <- *w.Serving
		case w.Given != nil:
			p.given <- *w.Given
		case w.Ask != nil:
			p.asks <- *w.Ask
		case w.Failed != "":
			p.failed.Store(&w.Failed)
		}
	}
}

func (p *process) wait() {
	p.state, _ = p.proc.Wait()
	p.ended = time.Now()
	close(p.exited)
}

// pause has nobody listen to the process, until resume; what it says meanwhile waits. It says whether there was anybody.
func (p *process) pause() bool {
	p.link.Pause()
	select {
	case <-p.rests:
		return true
	case <-p.silent:
		return false
	}
}

// resume ends a pause.
func (p *process) resume() {
	p.link.Resume()
	go p.listen()
}

// gone says whether the process has ended.
func (p *process) gone() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// kill ends the process and waits until it is gone.
func (p *process) kill() {
	p.proc.Kill()
	<-p.exited
}

// close lets go of what belongs to a process that is gone.
func (p *process) close() {
	p.link.Close()
	p.output.Close()
}

// ping asks the process whether it is alive.
func (p *process) ping(n uint64) {
	p.asked.CompareAndSwap(0, int64(time.Since(p.started)))
	go p.link.Send(worker.Order{Ping: n}) // one that hangs doesn't read either
}

// silence is for how long the process hasn't answered; 0 if it owes no answer.
func (p *process) silence() time.Duration {
	asked := p.asked.Load()
	if asked == 0 {
		return 0
	}
	return time.Since(p.started) - time.Duration(asked)
}

// succeeded says whether a process that is gone has ended as it should. Of one that ended in the moment of an upgrade that isn't
// known.
func (p *process) succeeded() bool { return p.state == nil || p.state.Success() }

// report is what is left of a process that is gone.
func (p *process) report() *crash.Report {
	words, err := io.ReadAll(io.NewSectionReader(p.output, 0, crash.MaxOutput))
	if err != nil && !errors.Is(err, io.EOF) {
		words = nil
	}
	if p.state == nil {
		return &crash.Report{PID: p.pid, Started: p.started, Ended: p.ended, Exit: "ended while the supervisor was replaced", Output: string(words)}
	}
	r := crash.NewReport(p.state, p.started, p.ended, string(words))
	r.Why = p.hung
	return r
}

// why says why a process that is gone has ended: what it said itself, or else what can be told from outside.
func (p *process) why() string {
	if failed := p.failed.Load(); failed != nil {
		return *failed
	}
	return p.report().Reason()
}
