package supervisor

import (
	"io"
	"syscall"

	"github.com/sohost/sohost/internal/crash"
	"github.com/sohost/sohost/internal/inflight"
)

// succeeded reports whether a process that is gone has ended as it should. If it ended in the moment of an upgrade nobody knows,
// and it counts as a success.
func (p *process) succeeded() bool {
	if p.state == nil {
		return !p.lost
	}
	return p.state.Success()
}

// report describes the end of a process that is gone.
func (p *process) report() *crash.Report {
	output, err := io.ReadAll(io.NewSectionReader(p.output, 0, crash.MaxOutput))
	if err != nil {
		output = nil
	}
	var r *crash.Report
	switch {
	case p.state != nil:
		r = crash.NewReport(p.state, p.started, p.ended, string(output))
	case p.lost:
		r = &crash.Report{Exit: crash.Killed, ExitCode: -1, Signal: syscall.SIGKILL}
	default:
		r = &crash.Report{Exit: "ended while the supervisor was replaced"}
	}
	r.PID, r.Started, r.Ended, r.Uptime, r.Output, r.Why = p.pid, p.started, p.ended, p.uptime, string(output), p.hung
	r.Stopped = p.stopped
	r.Memory = r.Signal == syscall.SIGKILL && oomKills() > p.oomKills
	if p.calls != nil {
		r.Calls, _ = inflight.Read(p.calls) // none if it has died before it made the table
	}
	return r
}

// why returns why a process that is gone has ended: in its own words, or else what can be told from outside.
func (p *process) why() string {
	if failed := p.failed.Load(); failed != nil {
		return *failed
	}
	return p.report().Reason()
}
