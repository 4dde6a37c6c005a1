package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/passing"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/worker"
	"golang.org/x/sys/unix"
)

// legacyForm is the version of Legacy. A program refuses one that it doesn't know, in its rehearsal.
const legacyForm = 1

// resumeEnv holds the number of the open file with the Legacy of the program before.
const resumeEnv = "SOHOST_RESUME"

// Legacy is what a supervisor leaves to the program that replaces it in the same process. Open files are given by their numbers.
type Legacy struct {
	Form            int           `json:"form"`   // legacyForm
	Origin          string        `json:"origin"` // the path that the server was started from
	Start           worker.Start  `json:"start"`
	HangTimeout     time.Duration `json:"hang_timeout"`
	HandoverTimeout time.Duration `json:"handover_timeout"`
	Started         time.Time     `json:"started"`
	Public          int           `json:"public"`
	PublicStays     bool          `json:"public_stays,omitempty"` // see Options
	Control         int           `json:"control"`
	ControlPath     string        `json:"control_path,omitempty"` // see Options
	Lock            int           `json:"lock"`
	Worker          childLegacy   `json:"worker"`
	Draining        []childLegacy `json:"draining,omitempty"`

	Handover      *sohost.Handover       `json:"handover,omitempty"`
	Crashes       []control.Crash        `json:"crashes,omitempty"`
	FailedProgram *control.FailedProgram `json:"failed_program,omitempty"`
}

// childLegacy describes a worker.
type childLegacy struct {
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	Link    int       `json:"link"`
	Output  int       `json:"output"`
	Calls   int       `json:"calls,omitempty"` // 0: there is no such file
}

// upgradeTimeout bounds how long the program waits for its last answers on the control socket before it is replaced.
const upgradeTimeout = 5 * time.Second

// obeySignals asks for a handover to the program that is now at the path that the server was started from, at each SIGUSR2 until ctx
// or Run ends: that is the path which whoever upgrades a package replaces. A SIGHUP has no meaning yet, and must not end the server.
func (s *Supervisor) obeySignals(ctx context.Context) {
	s.notifySignals() // never stopped: a late one would end the process
	for {
		var received os.Signal
		select {
		case received = <-s.signals:
		case <-ctx.Done():
			return
		case <-s.stopped:
			return
		}
		if received == syscall.SIGHUP {
			s.log.Warn("SIGHUP is ignored: restart the server to have it read its configuration again")
			continue
		}
		s.Handover(ctx, control.HandoverRequest{Why: "SIGUSR2", Program: s.origin}) // which logs how it went
	}
}

func (s *Supervisor) notifySignals() { signal.Notify(s.signals, syscall.SIGUSR2, syscall.SIGHUP) }

// upgrade replaces the program of this process by the confirmed one, and doesn't return if that works. Otherwise all goes on as
// before, workers run the new program, and it isn't tried again. When ctx ends it gives up: the new program would know nothing of
// that.
func (s *Supervisor) upgrade(ctx context.Context, p *process) {
	program := s.confirmed
	if err := s.rehearse(ctx, program); err != nil {
		s.log.Error("upgrade the supervisor: the program before stays; the worker runs the new one", "program", program.path, "err", err)
		return
	}
	answering, cancel := context.WithTimeout(ctx, upgradeTimeout)
	defer cancel()
	copied, err := copyListener(s.opts.Control)
	if err != nil {
		s.log.Error("upgrade the supervisor: the program before stays", "err", err)
		return
	}
	s.orders.Shutdown(answering) // new connections wait in the backlog; what isn't answered in time is cut off
	s.links.Lock()
	defer s.links.Unlock()
	s.mu.Lock() // lock order: links, mu
	links := append([]*process{p}, s.drainingLocked()...)
	s.mu.Unlock()
	var paused []*process
	for _, l := range links {
		if l.pause() {
			paused = append(paused, l)
		}
	}
	err = s.exec(ctx, program, copied, links)
	s.log.Error("upgrade the supervisor: the program before stays; the worker runs the new one", "program", program.path, "err", err)
	for _, l := range paused {
		l.resume()
	}
	on, listenErr := net.FileListener(copied)
	copied.Close()
	if listenErr != nil {
		s.log.Error("listen on the control socket again", "err", listenErr)
	} else {
		s.opts.Control = on
		s.answerOrders(on)
	}
}

// copyListener copies the control socket, which then outlives the server that has it, and so does its file.
func copyListener(l net.Listener) (*os.File, error) {
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	return fileOf(l)
}

// exec runs the program in this process and leaves everything to it. It returns only if that fails.
func (s *Supervisor) exec(ctx context.Context, program *program, orders *os.File, links []*process) error {
	arrived := make(chan os.Signal, 1)
	signal.Notify(arrived, stops...)
	defer signal.Stop(arrived)
	var kept []int
	defer func() {
		for _, fd := range kept {
			unix.Close(fd)
		}
	}()
	var failed error
	keep := func(f *os.File, err error) int {
		fd := -1
		if err == nil {
			fd, err = inheritable(f)
		}
		if err != nil {
			failed = errors.Join(failed, err)
			return fd
		}
		kept = append(kept, fd)
		return fd
	}
	l := s.legacy()
	l.Public, l.Control, l.Lock = keep(s.public, nil), keep(orders, nil), keep(s.opts.Lock.File(), nil)
	for i, p := range links {
		end, err := p.link.File()
		if err == nil {
			defer end.Close()
		}
		c := childLegacy{PID: p.pid, Started: p.started, Link: keep(end, err), Output: keep(p.output, nil)}
		if p.calls != nil {
			c.Calls = keep(p.calls, nil)
		}
		if i == 0 {
			l.Worker = c
		} else {
			l.Draining = append(l.Draining, c)
		}
	}
	will, err := l.write()
	if err != nil {
		return err
	}
	defer will.Close()
	fd := keep(will, nil)
	if failed != nil {
		return failed
	}
	if err := s.lastStop(ctx, arrived); err != nil {
		return err
	}
	env := append(os.Environ(), s.opts.Notifier.Environ()...)
	signal.Ignore(syscall.SIGUSR2, syscall.SIGHUP) // otherwise an early one would end the new program
	s.log.Info("upgrade: the new program takes this process's place", "program", program.path)
	err = syscall.Exec(program.executable(), os.Args, append(env, resumeEnv+"="+strconv.Itoa(fd)))
	s.notifySignals()
	s.heedStops()
	return err
}

// lastStop is called in the last moment before this process becomes another program. It returns an error if ctx has ended, or if a
// signal to stop has arrived by then, which whoever else listens may hear of only later. Those that arrive after that would be lost
// with this program: they end the process, as they end the new one until that listens, and the workers finish on their own.
func (s *Supervisor) lastStop(ctx context.Context, arrived <-chan os.Signal) error {
	signal.Reset(stops...) // returns when all that were received are in their channels
	select {
	case <-arrived:
		s.halt()
		return errStopped
	default:
		return context.Cause(ctx)
	}
}

// heedStops ends Run at a signal to stop, which after a lastStop nobody else hears of.
func (s *Supervisor) heedStops() {
	arrived := make(chan os.Signal, 1)
	signal.Notify(arrived, stops...)
	s.tasks.Go(func() {
		select {
		case <-arrived:
			signal.Reset(stops...) // a second one ends this process
			s.halt()
		case <-s.stopped:
		}
	})
}

// stops are the signals that end the context of Run.
var stops = []os.Signal{syscall.SIGTERM, syscall.SIGINT}

var errStopped = errors.New("the server stops")

// legacy returns what this supervisor leaves, without open files.
func (s *Supervisor) legacy() Legacy {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Legacy{
		Form: legacyForm, Origin: s.origin,
		Start: s.opts.Start, HangTimeout: s.opts.HangTimeout, HandoverTimeout: s.opts.HandoverTimeout,
		Started: s.started, ControlPath: s.opts.ControlPath, PublicStays: s.opts.PublicStays,
		Handover: s.last, Crashes: s.crashes, FailedProgram: s.failedProgram,
	}
}

// write returns a file with the legacy.
func (l *Legacy) write() (*os.File, error) {
	will, err := passing.MemoryFile("legacy")
	if err != nil {
		return nil, err
	}
	if err := json.NewEncoder(will).Encode(l); err != nil {
		will.Close()
		return nil, err
	}
	return will, nil
}

// inheritable returns the number of a copy of an open file that survives exec.
func inheritable(f *os.File) (fd int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	controlErr := raw.Control(func(n uintptr) { fd, err = unix.FcntlInt(n, unix.F_DUPFD, 3) })
	return fd, errors.Join(controlErr, err)
}

// Inherit returns what the program before has left; nil if there was none. The error is ErrRehearsal if this process has only to
// show that it can read it: then it should exit with 0.
func Inherit() (*Legacy, error) {
	number, has := os.LookupEnv(resumeEnv)
	if !has {
		return nil, nil
	}
	os.Unsetenv(resumeEnv)
	fd, err := strconv.Atoi(number)
	if err != nil {
		return nil, fmt.Errorf("%s=%s: %w", resumeEnv, number, err)
	}
	will := fileAt(fd, "legacy")
	defer will.Close()
	if _, err := will.Seek(0, 0); err != nil {
		return nil, err
	}
	l, err := readLegacy(will)
	if err == nil && os.Getenv(rehearsalEnv) != "" {
		fmt.Println(rehearsed)
		return nil, ErrRehearsal
	}
	return l, err
}

func readLegacy(r io.Reader) (*Legacy, error) {
	l := new(Legacy)
	err := json.NewDecoder(r).Decode(l)
	if err == nil && l.Form != legacyForm {
		err = fmt.Errorf("it has form %d, and this program knows form %d", l.Form, legacyForm)
	}
	if err != nil {
		return nil, fmt.Errorf("read what the program before has left: %w", err)
	}
	return l, nil
}

// fileAt returns an inherited file and makes it close-on-exec, so that no child inherits it.
func fileAt(fd int, name string) *os.File {
	unix.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), name)
}

// Resume returns a Supervisor that goes on where the program before stopped. Of opts it needs Log and Notifier.
func Resume(l *Legacy, opts Options) (*Supervisor, error) {
	var err error
	public, lock, orders := fileAt(l.Public, "http"), fileAt(l.Lock, "lock"), fileAt(l.Control, "control")
	if opts.Public, err = net.FileListener(public); err != nil {
		return nil, fmt.Errorf("listen for HTTP: %w", err)
	}
	public.Close()
	if opts.Control, err = net.FileListener(orders); err != nil {
		return nil, fmt.Errorf("listen on the control socket: %w", err)
	}
	orders.Close()
	opts.Lock, opts.Start, opts.HangTimeout, opts.ControlPath = generations.InheritLock(lock), l.Start, l.HangTimeout, l.ControlPath
	opts.HandoverTimeout, opts.PublicStays = l.HandoverTimeout, l.PublicStays
	s := New(opts)
	s.started, s.last, s.crashes, s.origin, s.failedProgram = l.Started, l.Handover, l.Crashes, l.Origin, l.FailedProgram
	if s.resumed, err = s.adopt(l.Worker); err != nil {
		return nil, err
	}
	// The new program doesn't know what the worker has asked the old one for.
	s.resumed.link.Send(worker.Order{Answer: &worker.Answer{Error: "the supervisor was replaced meanwhile"}})
	for _, c := range l.Draining {
		d, err := s.adopt(c)
		if err != nil {
			return nil, err
		}
		s.draining[d] = struct{}{}
		s.tasks.Go(func() { s.drain(d) })
	}
	return s, nil
}

// adopt returns the process of a worker that the program before has started.
func (s *Supervisor) adopt(c childLegacy) (*process, error) {
	proc, err := os.FindProcess(c.PID)
	if err != nil {
		return nil, err
	}
	link, err := passing.New(fileAt(c.Link, "link"))
	if err != nil {
		return nil, err
	}
	s.children.add(c.PID)
	var calls *os.File
	if c.Calls != 0 {
		calls = fileAt(c.Calls, "calls")
	}
	p := watch(proc, c.Started, link, fileAt(c.Output, "crash output"), calls, &s.children)
	p.lock = s.opts.Lock
	return p, nil
}
