// Package control lets other processes of the same user steer a running server: HTTP with JSON bodies over a unix socket.
//
// Who may connect is decided by the kernel's word for the peer's user id, which must be the server's own or root's; the
// socket's file mode is only a second fence. A server that was killed leaves its socket behind; Listen replaces one that
// nobody answers, and refuses to take over one that somebody does.
//
//	GET  /v1/status                                     Status
//	POST /v1/deploy     {"images": {"counter": "FILE"}}  sohost.Reload; "" stands for the configured image
//	POST /v1/rollback   {"to": 41, "plugins": ["counter"]}  sohost.Reload
//	GET  /v1/history?n=20                               [generations.Event]
//	GET  /v1/releases                                   [generations.Release], without broken ones
//	POST /v1/prune      {"keep": 10, "dry_run": true}   generations.PruneReport
//	POST /v1/handover   {"program": "FILE"}             sohost.Handover
//	GET  /v1/quarantine                                 [generations.Quarantine]
//	POST /v1/quarantine/lift {"image": "6b7a76b4f381"}  generations.Quarantine
//
// The supervisor listens on the socket (NewProxy). What concerns plugins it passes to the server of the worker (NewServer).
//
// A call that was understood and refused answers 409 with a Failure. A worker that has given its plugins away answers 421.
package control

import (
	"time"

	"github.com/sohost/sohost"
)

// DeployRequest asks for images to be made current together.
type DeployRequest struct {
	Images map[string]string `json:"images"` // plugin → file, absolute; "" for the configured one
}

// RollbackRequest asks for an earlier release.
type RollbackRequest struct {
	To      int      `json:"to,omitempty"` // 0: the one before the current
	Plugins []string `json:"plugins,omitempty"`
}

// PruneRequest asks for old releases to be removed.
type PruneRequest struct {
	Keep   int  `json:"keep"`
	DryRun bool `json:"dry_run,omitempty"`
}

// HandoverRequest asks for a fresh worker.
type HandoverRequest struct {
	Why     string            `json:"why,omitempty"`     // in words, for the status and the history
	Program string            `json:"program,omitempty"` // the executable of the fresh worker, absolute; default: the same
	Images  map[string]string `json:"images,omitempty"`  // to be brought along, as in DeployRequest
}

// LiftRequest lets an image be tried again. Image is its id or the beginning of it.
type LiftRequest struct {
	Image string `json:"image"`
}

// Status is what a server serves, and by which processes.
type Status struct {
	sohost.Status // of the worker; but for the store it is empty while none serves

	PID              int              `json:"pid"` // of the supervisor, which stays the same
	Started          time.Time        `json:"started"`
	Memory           int64            `json:"memory"` // resident bytes of all processes
	SupervisorMemory int64            `json:"supervisor_memory"`
	Worker           *WorkerStatus    `json:"worker,omitempty"`          // absent while none serves
	Draining         []WorkerStatus   `json:"draining,omitempty"`        // have given their plugins away and finish their requests
	Handover         *sohost.Handover `json:"handover,omitempty"`        // the last one
	Failed           *FailedHandover  `json:"failed_handover,omitempty"` // absent after a success
	Crashes          []Crash          `json:"crashes,omitempty"`         // the last ones, the oldest first
}

// WorkerStatus is one worker's part in a Status.
type WorkerStatus struct {
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	Memory  int64     `json:"memory"` // resident bytes
}

// FailedHandover is a handover after which the worker that served serves on.
type FailedHandover struct {
	Time  time.Time `json:"time"`
	Why   string    `json:"why"`
	Error string    `json:"error"`
}

// Crash is a worker that has ended against its will.
type Crash struct {
	Time   time.Time `json:"time"`
	PID    int       `json:"pid"`
	Reason string    `json:"reason"`
	File   string    `json:"file,omitempty"` // what it said at its end, its stacks
}

// Failure is the body of every answer that is not a success.
type Failure struct {
	Message string          `json:"error"`
	Refusal *sohost.Refusal `json:"refusal,omitempty"`
}

func (f *Failure) Error() string { return f.Message }
