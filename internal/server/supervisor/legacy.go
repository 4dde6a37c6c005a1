package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/events"
	"github.com/sohost/sohost/internal/passing"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/hooks"
	"github.com/sohost/sohost/internal/server/worker"
	"golang.org/x/sys/unix"
)

// Legacy is what a supervisor leaves to the program that replaces it in the same process. Open files are given by their numbers.
type Legacy struct {
	Form            int           `json:"form"`   // legacyForm
	Origin          string        `json:"origin"` // the path that the server was started from
	Start           worker.Start  `json:"start"`
	HangTimeout     time.Duration `json:"hang_timeout"`
	HandoverTimeout time.Duration `json:"handover_timeout"`
	Started         time.Time     `json:"started"`
	Public          int           `json:"public"`                 // the first listener
	PublicStays     bool          `json:"public_stays,omitempty"` // see Listener

	Listeners []listenerLegacy `json:"listeners,omitempty"` // all of them; a program that knows only one leaves none here

	Control     int           `json:"control"`
	ControlPath string        `json:"control_path,omitempty"` // see Options
	Lock        int           `json:"lock"`
	Reads       bool          `json:"reads,omitempty"` // the program is to take up the configuration; in a rehearsal, only to read it
	Worker      childLegacy   `json:"worker"`
	Draining    []childLegacy `json:"draining,omitempty"`

	Metrics  string               `json:"metrics,omitempty"`
	Profiles bool                 `json:"profiles,omitempty"`
	Console  string               `json:"console,omitempty"`
	Token    string               `json:"console_token_file,omitempty"`
	Settings map[string]string    `json:"settings,omitempty"`
	Config   control.ConfigStatus `json:"config,omitzero"`

	Events        *events.Saved          `json:"events,omitempty"`
	Hooks         map[string]uint64      `json:"hooks,omitempty"` // see hooks.Runner.Close
	HookCounts    []hooks.Status         `json:"hook_counts,omitempty"`
	Spans         *unsent                `json:"spans,omitempty"`
	Handover      *sohost.Handover       `json:"handover,omitempty"`
	Crashes       []control.Crash        `json:"crashes,omitempty"`
	FailedProgram *control.FailedProgram `json:"failed_program,omitempty"`
}

// listenerLegacy describes a listener.
type listenerLegacy struct {
	Name  string `json:"name"`
	File  int    `json:"file"`
	Stays bool   `json:"stays,omitempty"`
	Path  string `json:"path,omitempty"`
}

// childLegacy describes a worker.
type childLegacy struct {
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	Link    int       `json:"link"`
	Output  int       `json:"output"`
	Calls   int       `json:"calls,omitempty"` // 0: there is no such file

	Lasts time.Duration `json:"lasts,omitempty"` // see process
	Since time.Time     `json:"since,omitzero"`
}

// legacy returns what this supervisor leaves, without open files.
func (s *Supervisor) legacy() Legacy {
	s.mu.Lock()
	defer s.mu.Unlock()
	start := *s.start.Load()
	start.Listeners = s.servedLocked()
	own := s.own.Load()
	return Legacy{
		Form: s.form(), Origin: s.origin,
		Start: start, HangTimeout: own.HangTimeout, HandoverTimeout: own.HandoverTimeout,
		Started: s.started, ControlPath: own.ControlPath,
		Metrics: own.Metrics, Profiles: own.Profiles, Console: own.Console, Token: own.ConsoleToken, Settings: s.settings, Config: s.config,
		Events: s.events.Save(), Handover: s.last, Crashes: s.crashes, FailedProgram: s.failedProgram,
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

// leaveSockets adds the sockets of the listeners.
func (s *Supervisor) leaveSockets(l *Legacy, kept *keptOpen) {
	for _, on := range s.listening() {
		l.Listeners = append(l.Listeners, listenerLegacy{Name: on.Name, File: kept.add(on.file, nil), Stays: on.Stays, Path: on.Path})
	}
	l.Public, l.PublicStays = l.Listeners[0].File, l.Listeners[0].Stays // for a program that knows only one
}

// leaveWorkers adds the workers. The first one serves.
func leaveWorkers(l *Legacy, workers []*process, kept *keptOpen) {
	for i, p := range workers {
		link, err := p.link.File()
		c := childLegacy{PID: p.pid, Started: p.started, Lasts: p.lasts, Since: p.since, Link: kept.add(link, err), Output: kept.add(p.output, nil)}
		if err == nil {
			link.Close()
		}
		if p.calls != nil {
			c.Calls = kept.add(p.calls, nil)
		}
		if i == 0 {
			l.Worker = c
		} else {
			l.Draining = append(l.Draining, c)
		}
	}
}

// keptOpen are copies of open files that survive exec.
type keptOpen struct {
	fds    []int
	failed error // why some couldn't be copied
}

// add copies an open file, unless err says that there is none, and returns the copy's number.
func (k *keptOpen) add(f *os.File, err error) int {
	fd := -1
	if err == nil {
		fd, err = inheritable(f)
	}
	if err != nil {
		k.failed = errors.Join(k.failed, err)
		return fd
	}
	k.fds = append(k.fds, fd)
	return fd
}

// close closes the copies, if there was no exec.
func (k *keptOpen) close() {
	for _, fd := range k.fds {
		unix.Close(fd)
	}
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
// show that it can read it, and with reread the configuration if that is asked for: then it should exit with 0.
func Inherit(reread func(Reading) (Configured, error)) (*Legacy, error) {
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
		if l.Reads {
			if _, err := reread(Reading{Store: l.Start.Options.Store}); err != nil {
				return nil, err
			}
		}
		fmt.Println(rehearsed)
		return nil, ErrRehearsal
	}
	return l, err
}

func readLegacy(r io.Reader) (*Legacy, error) {
	l := new(Legacy)
	err := json.NewDecoder(r).Decode(l)
	if err == nil && l.Form != legacyForm && l.Form != listenersForm {
		err = fmt.Errorf("it has form %d, and this program knows forms %d and %d", l.Form, legacyForm, listenersForm)
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

// Resume returns a Supervisor that goes on where the program before stopped. Of opts it needs Log, Notifier and Reread.
func Resume(l *Legacy, opts Options) (*Supervisor, error) {
	var err error
	lock, orders := fileAt(l.Lock, "lock"), fileAt(l.Control, "control")
	if opts.Listeners, err = l.listeners(); err != nil {
		return nil, err
	}
	if opts.Control, err = net.FileListener(orders); err != nil {
		return nil, fmt.Errorf("listen on the control socket: %w", err)
	}
	orders.Close()
	l.addresses()
	opts.Lock, opts.Start, opts.Settings = generations.InheritLock(lock), l.Start, l.Settings
	opts.Own = Own{l.Metrics, l.Profiles, l.Console, l.Token, l.ControlPath, l.HangTimeout, l.HandoverTimeout}
	s := New(opts)
	s.keepEvents(events.NewLog(l.Started))
	s.events.Restore(l.Events)
	s.told, s.unsent, s.reads = l.Hooks, l.Spans, l.Reads
	s.hooks.Remember(l.HookCounts)
	s.config = l.config()
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

// config returns what the status says of the configuration. An earlier program may have left nothing about it.
func (l *Legacy) config() control.ConfigStatus {
	config := l.Config
	if config.Read.IsZero() {
		config.Read = l.Started
	}
	return config
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
	p := watch(proc, c.Started, link, fileAt(c.Output, "crash output"), calls, &s.children, s.events)
	p.lock, p.lasts, p.since = s.opts.Lock, c.Lasts, c.Since
	return p, nil
}
