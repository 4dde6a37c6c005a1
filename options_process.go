package sohost

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/inflight"
)

// Process connects a Host with the processes before and after it. It is for supervisors only: programs that move their
// plugins from process to process, as `sohost run` does.
type Process struct {
	// Lock is the store's lock if the program holds it already. It passes from process to process with the plugins.
	// Default: the host takes the lock itself and releases it in Close.
	Lock *generations.Lock

	// Handover moves the plugins to a new process, see Host.Give. It blocks until the handover is over, and returns nil
	// if it succeeded or else why it didn't. ctx ends when the host no longer waits for the result.
	//
	// The host calls Handover when an image can't be loaded because of what this process has opened before, when the
	// budget is spent, and when an image that failed to open has left a permanent mark in the process. It may be called
	// from several goroutines at once. Default: there is no other process; images that need a new one are refused.
	Handover func(ctx context.Context, why string) error

	// Calls is an empty memory file (memfd_create) in which the host keeps, as long as the process lives, which images are
	// in calls. Whoever else has the file open can read it when the process is dead: see ReadCalls. The host never closes
	// it. Default: nobody knows who was in a call when the process died, and only a stack shows which image ended it.
	Calls *os.File

	// Connections returns how many of the process's open files are its clients' connections, which move with a handover and
	// are no reason for one. It may be called from any goroutine. Default: none are.
	Connections func() int

	// Crashes lists earlier processes that crashed while they served the plugins. New quarantines the images
	// responsible and boots their fallbacks. Crash.Ended identifies a crash: a crash that an earlier New has judged is
	// not judged again.
	Crashes []Crash

	// CrashesInARow is the number of processes that have crashed one soon after the other. From the second on, New
	// leaves out a plugin that was blamed more than once; from the third on, it may leave out others as well (see
	// ErrLeftOut). It boots their confirmed images if those are others, until that has proved to be in vain.
	CrashesInARow int

	// Booting is told by New how far the boot is, at its beginning and after each plugin. It is called by one goroutine at a time.
	// Default: nobody is told.
	Booting func(BootProgress)
}

// Crash describes how a process ended. It is for supervisors only.
type Crash struct {
	Ended  time.Time // when the process ended; New tells crashes apart by it
	Uptime Uptime    // the same moment; zero if it isn't known, and then a clock that was set makes crashes seem unrelated
	Exit   string    // as os.ProcessState prints it, such as "exit status 3" and "signal: killed"
	Why    string    // why the supervisor ended the process; empty if it didn't
	Output string    // what the Go runtime wrote to the file of debug.SetCrashOutput

	// Program names the program that the process ran, if that was in probation. Then only an image that the output names
	// is blamed. Default: the program was not new.
	Program string

	// Calls are the images that were in calls when the process ended, as ReadCalls has returned them; nil if that isn't
	// known.
	Calls *Calls

	// Memory is set if the kernel killed a process of this server because memory ran out, see cgroups(7).
	Memory bool

	// Stopped is set if Why is that it didn't answer, because somebody had stopped it, as with SIGSTOP. Then no image is blamed.
	Stopped bool
}

// Uptime is how long after a boot of the machine something was, which no clock that is set changes. generations.Now returns the
// present one.
type Uptime = generations.Uptime

// Calls are the images in calls at one moment. It is for supervisors only.
type Calls = inflight.Snapshot

// ReadCalls reads the file of Process.Calls. The process that wrote to it may have ended.
func ReadCalls(file io.ReaderAt) (*Calls, error) { return inflight.Read(file) }
