package crash

import (
	"cmp"
	"os"
	"syscall"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/inflight"
)

// MaxOutput is how many bytes of an output are kept and parsed. The goroutine that crashed is at the beginning.
const MaxOutput = 1 << 20

// A Report describes a process that has ended. The supervisor passes it to the next worker as JSON.
type Report struct {
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`

	// Uptime is the same moment as Ended, if that is known.
	Uptime generations.Uptime `json:"uptime,omitzero"`

	Exit     string         `json:"exit"`             // as os.ProcessState prints it, such as "exit status 3" or "signal: killed"
	ExitCode int            `json:"exit_code"`        // -1 after a signal
	Signal   syscall.Signal `json:"signal,omitempty"` // 0 unless a signal ended the process

	// Why says why the process was ended on purpose. It is empty if it wasn't.
	Why string `json:"why,omitempty"`

	// Program names the program that the process ran, if that was in probation.
	Program string `json:"program,omitempty"`
	// Calls are the images that were in calls when the process ended; nil if that isn't known.
	Calls *inflight.Snapshot `json:"calls,omitempty"`

	// Memory is set if the kernel has killed a process of this server because memory ran out.
	Memory bool `json:"memory,omitempty"`

	// Stopped is set if the process was ended because it didn't answer, and somebody had stopped it.
	Stopped bool `json:"stopped,omitempty"`

	// Output is what the Go runtime wrote to the file of debug.SetCrashOutput, up to MaxOutput.
	Output string `json:"output,omitempty"`
}

// NewReport returns the report on a process that has been waited for.
func NewReport(state *os.ProcessState, started, ended time.Time, output string) *Report {
	r := &Report{
		PID: state.Pid(), Started: started, Ended: ended,
		Exit: state.String(), ExitCode: state.ExitCode(), Output: truncate(output),
	}
	if s, ok := state.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		r.Signal = s.Signal()
	}
	return r
}

// When returns when the process ended.
func (r *Report) When() generations.Moment {
	return generations.Moment{Time: r.Ended, Uptime: r.Uptime}
}

// Killed is the Reason of a process that was ended with SIGKILL, if nothing else is known.
const Killed = "signal: killed"

// Reason returns in one line why the process ended: Why, or else the reason in its output, or else how it exited.
func (r *Report) Reason() string {
	exit := r.Exit
	switch {
	case exit == Killed && r.Memory:
		exit += ", since memory ran out"
	case exit == Killed: // a process that kills itself is rare
		exit += ", by another process, or by the kernel because memory ran out (see dmesg)"
	}
	return cmp.Or(r.Why, Parse(r.Output).Reason, exit)
}

func truncate(output string) string {
	return output[:min(len(output), MaxOutput)]
}
