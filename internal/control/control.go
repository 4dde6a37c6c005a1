// Package control lets other processes of the same user steer a running server: HTTP with JSON bodies over a unix socket.
//
// Who may connect is decided by the kernel's word for the peer's user id, which must be the server's own or root's; the
// socket's file mode is only a second fence. A server that was killed leaves its socket behind; Listen replaces one that
// nobody answers, and refuses to take over one that somebody does.
//
//	GET  /v1/status                                     sohost.Status
//	POST /v1/deploy     {"images": {"counter": "FILE"}}  sohost.Reload; "" stands for the configured image
//	POST /v1/rollback   {"to": 41, "plugins": ["counter"]}  sohost.Reload
//	GET  /v1/history?n=20                               [generations.Event]
//	GET  /v1/releases                                   [generations.Release], without broken ones
//	POST /v1/prune      {"keep": 10, "dry_run": true}   generations.PruneReport
//
// A call that was understood and refused answers 409 with a Failure.
package control

import "github.com/sohost/sohost"

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

// Failure is the body of every answer that is not a success.
type Failure struct {
	Message string          `json:"error"`
	Refusal *sohost.Refusal `json:"refusal,omitempty"`
}

func (f *Failure) Error() string { return f.Message }
