package crash

import (
	"cmp"
	"os"
	"syscall"
	"time"
)

// MaxOutput is how much of an output is looked at, in bytes. The goroutine that crashed stands at the beginning.
const MaxOutput = 1 << 20

// Report is what is left of a process that has ended. It travels as JSON.
type Report struct {
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`

	Exit     string         `json:"exit"`             // in the words of os.ProcessState, such as "exit status 3" and "signal: killed"
	ExitCode int            `json:"exit_code"`        // -1 after a signal
	Signal   syscall.Signal `json:"signal,omitempty"` // 0 unless a signal ended the process

	// Why is why somebody ended the process, if that is so.
	Why string `json:"why,omitempty"`

	// Output is what the Go runtime wrote to the file of debug.SetCrashOutput, up to MaxOutput.
	Output string `json:"output,omitempty"`
}

// NewReport makes the report on a process that has been waited for.
func NewReport(state *os.ProcessState, started, ended time.Time, output string) *Report {
	r := &Report{PID: state.Pid(), Started: started, Ended: ended, Exit: state.String(), ExitCode: state.ExitCode(), Output: truncate(output)}
	if s, ok := state.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		r.Signal = s.Signal()
	}
	return r
}

// Killed is the Reason of a process that somebody has ended with SIGKILL.
const Killed = "signal: killed"

// Reason says in one line why the process ended: why somebody ended it, or else the reason in its output, or how it exited.
func (r *Report) Reason() string {
	return cmp.Or(r.Why, Parse(r.Output).Reason, r.Exit)
}

func truncate(output string) string {
	return output[:min(len(output), MaxOutput)]
}
