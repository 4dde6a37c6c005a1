// Package control lets other processes of the same user control a running server, with HTTP and JSON over a unix socket.
//
// Access is decided by the peer's user id as the kernel reports it: it must be the server's own or root's. The socket's file
// mode is only a second fence. A killed server leaves its socket behind. Listen replaces a socket that nobody answers and
// refuses to take over one that somebody does.
//
//	GET  /v1/status                                     Status; with ?brief=true what is quick to find out, see Client.Brief
//	GET  /v1/alive                                      Life; never waits for anything
//	POST /v1/deploy     {"images": {"counter": "FILE"}}  sohost.Reload; "" stands for the configured image; "lose_state": true
//	POST /v1/rollback   {"to": 41, "plugins": ["counter"]}  sohost.Reload
//	GET  /v1/history?n=20                               [generations.Event]
//	GET  /v1/releases                                   [generations.Release], without broken ones
//	POST /v1/prune      {"keep": 10, "dry_run": true}   generations.PruneReport
//	POST /v1/handover   {"program": "FILE"}             sohost.Handover; "keep_config": true
//	GET  /v1/events?since=ID&plugin=counter&kind=deploy  Server-Sent Events, see events.Log.Serve; without since from now on
//	POST /v1/reload     {"dry_run": true}               ConfigReload; "back": true; "amend": {"verb": "disable", "plugin": "x"}
//	POST /v1/build      {"plugin": "counter", "error": "…"}  {}; tells who reads events of a build, see BuildReport
//	GET  /v1/crash?file=000007-20261127T101500.000-42.txt  what a worker has left that died, as text; see Crash.File
//	GET  /v1/quarantine                                 [generations.Quarantine]
//	POST /v1/quarantine/lift {"image": "6b7a76b4f381"}  generations.Quarantine
//	GET  /v1/triggers                                   [sohost.TriggerStatus]
//	POST /v1/triggers/add {"plugin": "x", "trigger": {"spec": "every:1m"}}  sohost.TriggerStatus
//	POST /v1/triggers/remove {"plugin": "x", "name": "every-1m"}  sohost.TriggerStatus; also enable, disable
//	POST /v1/triggers/replay {"plugin": "x", "name": "every-1m"}  sohost.Replayed
//	POST /v1/test {"plugin": "x", "steps": [{"write": BASE64}]}  dryrun.Result
//
// The supervisor listens on the socket (NewProxy) and passes requests about plugins to the worker's server (NewServer).
//
// Every error but 404 and 405 has a Failure as its body. A request that was understood and refused gets 409. A worker that has
// given its plugins away answers 421 to everything; the supervisor then asks the next worker, so clients never see it.
package control

import (
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/backlog"
	"github.com/sohost/sohost/internal/files"
	"github.com/sohost/sohost/internal/otlp"
	"github.com/sohost/sohost/internal/server/hooks"
	"github.com/sohost/sohost/internal/sinks"
)

// DeployRequest asks to make images current, all of them in one release.
type DeployRequest struct {
	Images    map[string]string `json:"images"`               // plugin → absolute file, or "" for the configured one
	LoseState bool              `json:"lose_state,omitempty"` // see sohost.DeployOptions
}

// RollbackRequest asks for an earlier release.
type RollbackRequest struct {
	To        int      `json:"to,omitempty"` // 0: the one before the current
	Plugins   []string `json:"plugins,omitempty"`
	LoseState bool     `json:"lose_state,omitempty"` // see sohost.DeployOptions
}

// PruneRequest asks to remove old releases.
type PruneRequest struct {
	Keep   int  `json:"keep"`
	DryRun bool `json:"dry_run,omitempty"`
}

// HandoverRequest asks for a new worker.
type HandoverRequest struct {
	Why     string            `json:"why,omitempty"`     // for the status and the history
	Program string            `json:"program,omitempty"` // the new worker's executable, an absolute path; default: the same
	Images  map[string]string `json:"images,omitempty"`  // new images for the new worker, as in DeployRequest

	LoseState bool `json:"lose_state,omitempty"` // see sohost.DeployOptions

	// KeepConfig leaves the configuration as it is. Default: it is read again, and refuses the handover if it can't be taken up.
	KeepConfig bool `json:"keep_config,omitempty"`

	// Trace is the traceparent of whoever orders it; see TraceHeader.
	Trace string `json:"-"`
}

// ReloadRequest asks to read the configuration again.
type ReloadRequest struct {
	Why       string `json:"why,omitempty"`        // for the status and the history
	DryRun    bool   `json:"dry_run,omitempty"`    // only say what would change
	LoseState bool   `json:"lose_state,omitempty"` // see sohost.DeployOptions

	// Back takes up the configuration from before the one that serves, instead of the file.
	Back bool `json:"back,omitempty"`

	// Amend changes a plugin besides, and the change is kept. Default: none does.
	Amend *Amendment `json:"amend,omitempty"`
}

// ConfigReload is what has become of a ReloadRequest.
type ConfigReload struct {
	Changes  []Change         `json:"changes"`            // ordered by key
	Handover *sohost.Handover `json:"handover,omitempty"` // absent if nothing has changed, or with DryRun

	Opens  []Address `json:"opens,omitempty"`  // where the server begins to listen
	Closes []Address `json:"closes,omitempty"` // where it listens no more

	Amended []Amended `json:"amended,omitempty"` // see ConfigStatus
	Warning string    `json:"warning,omitempty"` // what went wrong after the configuration was taken up
}

// Address is where a server listens.
type Address struct {
	What    string `json:"what"`    // that answers: "listener NAME", "metrics", "console" or "commands"
	Address string `json:"address"` // HOST:PORT, or the path of a unix socket
}

// Change is a setting that differs. Was or Is is empty if it has not been set before, or isn't any more.
type Change struct {
	Key     string `json:"key"` // such as plugin.counter.mode
	Was     string `json:"was,omitempty"`
	Is      string `json:"is,omitempty"`
	Restart bool   `json:"restart,omitempty"` // it changes only with a restart of the server
}

// ConfigStatus says which configuration a server has.
type ConfigStatus struct {
	Read    time.Time       `json:"read"`              // when it was read
	Restart []Change        `json:"restart,omitempty"` // what has changed since, and needs a restart
	Failed  *FailedHandover `json:"failed,omitempty"`  // why a later one wasn't taken up; absent after a success
	Amended []Amended       `json:"amended,omitempty"` // what commands have changed of it, by plugin
	Back    bool            `json:"back,omitempty"`    // it is the one from before, and not the file
	Unkept  string          `json:"unkept,omitempty"`  // why a restart won't have it; empty if it will
}

// LiftRequest asks to let an image be tried again. Image is its id or a prefix of it.
type LiftRequest struct {
	Image string `json:"image"`
}

// Status is what a server serves, and by which processes.
type Status struct {
	sohost.Status // the worker's; only Store is set while no worker serves

	// Unknown says why nothing is known of what the worker serves; empty if it is known.
	Unknown string `json:"unknown,omitempty"`

	// Sinks says what has become of the rows that plugins have emitted since the worker began.
	Sinks []sinks.Status `json:"sinks,omitempty"`

	// Backlog describes the writes that were acknowledged and are not handled yet; nil if there is none.
	Backlog *backlog.Status `json:"backlog,omitempty"`

	// Hooks says how those do that are told of events.
	Hooks []hooks.Status `json:"hooks,omitempty"`

	// Spans says where spans go; nil: nowhere, since nobody has asked for any.
	Spans *otlp.Status `json:"spans,omitempty"`

	// Booting says how far a worker is that doesn't serve all plugins yet. It isn't the Worker before that.
	Booting *sohost.BootProgress `json:"booting,omitempty"`

	PID              int              `json:"pid"` // the supervisor's, which never changes
	Started          time.Time        `json:"started"`
	Memory           int64            `json:"memory"` // resident bytes of all processes
	SupervisorMemory int64            `json:"supervisor_memory"`
	SupervisorFiles  files.Usage      `json:"supervisor_files"`
	Worker           *WorkerStatus    `json:"worker,omitempty"`   // absent while none serves
	Draining         []WorkerStatus   `json:"draining,omitempty"` // old workers that finish their requests, oldest first
	Listeners        []ListenerStatus `json:"listeners,omitempty"`
	Handover         *sohost.Handover `json:"handover,omitempty"`        // the last one
	Failed           *FailedHandover  `json:"failed_handover,omitempty"` // absent after a success
	Crashes          []Crash          `json:"crashes,omitempty"`         // the last 20, oldest first
	Config           ConfigStatus     `json:"config"`
	StoreFault       string           `json:"store_fault,omitempty"`    // why nothing can be published; what serves goes on
	Program          *ProgramStatus   `json:"program,omitempty"`        // what workers run
	FailedProgram    *FailedProgram   `json:"failed_program,omitempty"` // the last that has not passed its probation

	// Console is the URL of the console; empty if there is none.
	Console string `json:"console,omitempty"`

	// FailedBuilds are the builds of `sohost dev` that have failed and that no later one of the plugin has made good.
	FailedBuilds []FailedBuild `json:"failed_builds,omitempty"`
}

// WorkerAnswer is what a worker says of itself.
type WorkerAnswer struct {
	sohost.Status
	Sinks []sinks.Status `json:"sinks,omitempty"`

	// Backlog describes the writes that were acknowledged and are not handled yet; nil if there is none.
	Backlog *backlog.Status `json:"backlog,omitempty"`

	// Refused is ListenerStatus.Refused by the names of the listeners.
	Refused map[string]int64 `json:"refused,omitempty"`
}

// ProgramStatus is the program that workers run.
type ProgramStatus struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256,omitempty"` // absent if the supervisor runs the same one

	// Probation is when the program will have passed its probation, after which the supervisor becomes it, too. Absent if it has.
	Probation *time.Time `json:"probation_until,omitempty"`

	// NotSupervisor says why the supervisor hasn't become the program, although that has passed its probation; empty if it has, or will.
	NotSupervisor string `json:"not_supervisor,omitempty"`
}

// FailedProgram is a program of which a worker has died in its probation. It is run again only if it is ordered.
type FailedProgram struct {
	Time   time.Time `json:"time"`
	Path   string    `json:"path"`
	SHA256 string    `json:"sha256"`
	Reason string    `json:"reason"`
}

// WorkerStatus is one worker's part in a Status.
type WorkerStatus struct {
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	Memory  int64     `json:"memory"` // resident bytes

	Files files.Usage `json:"files"` // zero in a brief status

	// Of an old worker: since when, and until when at most, it only keeps connections, how many, and which release it has.
	Since       *time.Time `json:"since,omitempty"`
	Until       *time.Time `json:"until,omitempty"`
	Connections int        `json:"connections,omitempty"`
	Release     int        `json:"release,omitempty"`
}

// FailedHandover is a handover that failed. The old worker kept serving.
type FailedHandover struct {
	Time  time.Time `json:"time"`
	Why   string    `json:"why"`
	Error string    `json:"error"`
}

// FailedReread says why a certificate in its files isn't the one that serves.
type FailedReread struct {
	Time  time.Time `json:"time"`
	Error string    `json:"error"`
}

// ListenerStatus is one listening socket for clients.
type ListenerStatus struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	H2C     bool   `json:"h2c,omitempty"`

	// Refused counts the connections that the worker has closed because their address had too many.
	Refused int64 `json:"refused,omitempty"`

	// Certificate is what TLS is served with; nil without TLS.
	Certificate *CertificateStatus `json:"certificate,omitempty"`
}

// CertificateStatus is the certificate of a listener.
type CertificateStatus struct {
	File  string    `json:"file"`
	Until time.Time `json:"until"`

	// Failed says why what is in the files now isn't what serves; nil if it does.
	Failed *FailedReread `json:"failed,omitempty"`
}

// Crash is a worker that ended without being told to.
type Crash struct {
	Time   time.Time `json:"time"`
	PID    int       `json:"pid"`
	Reason string    `json:"reason"`
	File   string    `json:"file,omitempty"` // what it has left: its stacks, if it wrote any

	// Calls are the images that were in calls when it ended; nil if that isn't known.
	Calls *sohost.Calls `json:"calls,omitempty"`
}
