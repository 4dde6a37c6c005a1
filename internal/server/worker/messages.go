// Package worker is the process that has a Host. It serves HTTP on sockets that it was given, carries out its supervisor's
// orders, and gives its plugins and connections to the next worker.
//
// Supervisor and worker talk over a socket pair, the link; a worker starts with its end open as LinkFile. The supervisor sends
// Orders, the first of them a Start; the worker sends Words. When the link ends the supervisor is gone, and the worker finishes.
package worker

import (
	"path/filepath"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/events"
	"github.com/sohost/sohost/internal/query"
	"github.com/sohost/sohost/internal/server/certs"
	"github.com/sohost/sohost/internal/server/hooks"
	"github.com/sohost/sohost/internal/server/listener"
	"github.com/sohost/sohost/internal/sinks"
)

// LinkFile is the file descriptor of a worker's end of the link.
const LinkFile = 3

// Order is a message to a worker. One field is set.
type Order struct {
	Start *Start `json:"start,omitempty"` // with the files that Start tells of

	// Ping asks for a Pong with the same number.
	Ping uint64 `json:"ping,omitempty"`

	// Control passes a connection of the control socket, which is the file.
	Control bool `json:"control,omitempty"`

	// Room has the worker close the files that it holds in reserve: Give follows, with files.
	Room bool `json:"room,omitempty"`

	// Give starts a handover. The files are two sockets to the taker: the one for sohost.Give, and the one for connections.
	Give *Give `json:"give,omitempty"`

	// Abort ends a handover unless the plugins are the taker's already. The answer is a Given in any case.
	Abort bool `json:"abort,omitempty"`

	// Answer answers an Ask.
	Answer *Answer `json:"answer,omitempty"`

	// Finish tells the worker to answer its requests and end.
	Finish bool `json:"finish,omitempty"`

	// Hurry tells a worker that has given its plugins away to end once ShutdownTimeout is over, whatever Linger says.
	Hurry bool `json:"hurry,omitempty"`

	// Pair has a listener use another certificate from now on.
	Pair *NewPair `json:"pair,omitempty"`
}

// NewPair is another certificate of a listener.
type NewPair struct {
	Listener string     `json:"listener"`
	Pair     certs.Pair `json:"pair"`
}

// DefaultLingerWorkers is how many old workers may linger. Each has the memory of a worker.
const DefaultLingerWorkers = 8

// Start says what to serve. Its files are the listening socket, the store's lock and the file for crash output. With Takes there
// are two sockets to the giver as well: the one for sohost.Take, and the one for connections. Then comes the file for
// sohost.Process.Calls, of which a supervisor of an earlier version sends none, and then the sockets of the other listeners.
type Start struct {
	Options         sohost.Options `json:"options"`
	Crashes         []sohost.Crash `json:"crashes,omitempty"`
	CrashesInARow   int            `json:"crashes_in_a_row,omitempty"`
	LogFormat       string         `json:"log_format"`
	Verbose         bool           `json:"verbose,omitempty"`
	ShutdownTimeout time.Duration  `json:"shutdown_timeout"`

	// Linger is how long an old worker may live for its connections after a handover; at least ShutdownTimeout. LingerWorkers is how
	// many of them there may be, or else the oldest has the ShutdownTimeout; 0 is DefaultLingerWorkers.
	Linger        time.Duration `json:"linger,omitempty"`
	LingerWorkers int           `json:"linger_workers,omitempty"`

	// StopDelay is how long the server goes on serving once it is told to stop, and says that it isn't ready.
	StopDelay time.Duration `json:"stop_delay,omitempty"`

	// Listeners are the sockets that are served, in the order of their files; at least one. Default: the one of the setting listen.
	Listeners []listener.Settings `json:"listeners,omitempty"`
	Clients   listener.Limits     `json:"clients,omitzero"`
	Takes     bool                `json:"takes,omitempty"`

	// Writes has the worker serve the endpoints to which clients of InfluxDB write; nil if it doesn't.
	Writes *Writes `json:"writes,omitempty"`

	// Sinks are where rows go that plugins emit, by name. Without sinks a plugin's Emit returns an error.
	Sinks map[string]sinks.Config `json:"sinks,omitempty"`

	// SinksOf names the sinks of each plugin whose rows don't go to all of them.
	SinksOf map[string][]string `json:"sinks_of,omitempty"`

	// Hooks are for the supervisor, which tells them of what happens, whatever becomes of workers.
	Hooks map[string]hooks.Hook `json:"hooks,omitempty"`

	// Databases are those that plugins can ask, by name. Without one a plugin's Query returns an error.
	Databases map[string]query.Options `json:"databases,omitempty"`
}

// backlogDir is the directory of the store for writes that are acknowledged and not handled yet.
func (s *Start) backlogDir() string { return filepath.Join(s.Options.Store, "writes") }

// sinkDir is the directory of the store in which rows wait for sinks.
func (s *Start) sinkDir() string { return filepath.Join(s.Options.Store, "sinks") }

// Writes says how clients write. It may hold secrets.
type Writes struct {
	// Ack is when a write is acknowledged. Default: Spool.
	Ack Ack `json:"ack,omitempty"`

	// SpoolLimit bounds what is on disk, in bytes. Default: backlog.DefaultLimit.
	SpoolLimit int64 `json:"spool_limit,omitempty"`

	// Tokens are those with which clients may write. Default: everybody may.
	Tokens []string `json:"tokens,omitempty"`

	// BodyLimit bounds a request's body, in bytes. Default: writes.DefaultBodyLimit.
	BodyLimit int64 `json:"body_limit,omitempty"`
}

// Ack is when a write is acknowledged.
type Ack string

// When it may be.
const (
	Spooled Ack = "spool"   // once it is on disk
	Handled Ack = "handled" // once every plugin that asked for it has handled it
)

// Give says why, and what is to change with the handover.
type Give struct {
	Why     string            `json:"why"`
	Program string            `json:"program,omitempty"`
	Images  map[string]string `json:"images,omitempty"`

	LoseState bool `json:"lose_state,omitempty"`

	Config *sohost.Configuration `json:"config,omitempty"`

	// Close names the listeners that the taker doesn't have. The supervisor shuts their sockets once the taker serves; until then the
	// giver accepts connections there, and afterwards it ends them when they have no request.
	Close []string `json:"close,omitempty"`
}

// Answer is the result of a handover that the worker asked for; an empty Error means success. ID 0 answers every Ask.
type Answer struct {
	ID    uint64 `json:"id"`
	Error string `json:"error,omitempty"`
}

// Word is a message from a worker. One field is set, or Pong and Serving.
type Word struct {
	Pong uint64 `json:"pong,omitempty"`

	// Serving says that the worker serves. It is sent once for itself and again with every Pong, so the supervisor doesn't wait for a
	// worker that serves already.
	Serving *Serving `json:"serving,omitempty"`

	// Left is what a worker that has given its plugins away still has; with each Pong.
	Left *Left `json:"left,omitempty"`

	// Booting says how far a worker is that doesn't serve all plugins yet.
	Booting *sohost.BootProgress `json:"booting,omitempty"`

	// Failed is the error with which the worker ends.
	Failed string `json:"failed,omitempty"`

	// Ask asks for a handover.
	Ask *Ask `json:"ask,omitempty"`

	// Events are what has happened; a supervisor of an earlier version ignores them.
	Events *events.Batch `json:"events,omitempty"`

	// Given answers Give.
	Given *Given `json:"given,omitempty"`
}

// Left is what keeps a worker that has given its plugins away.
type Left struct {
	Connections int `json:"connections"`
}

// Serving describes what a worker has started to serve.
type Serving struct {
	Release int `json:"release"`
}

// Ask asks for a handover and for an Answer.
type Ask struct {
	ID  uint64 `json:"id"`
	Why string `json:"why"`
}

// Given is the result of a handover. After an error the giver still serves.
type Given struct {
	Handover *sohost.Handover `json:"handover,omitempty"`
	Error    string           `json:"error,omitempty"`
	Refusal  *sohost.Refusal  `json:"refusal,omitempty"` // if it is one plugin's image

	// Unwritable says that a plugin's state is the reason, sohost.ErrUnwritable, and not how the taker has ended.
	Unwritable bool `json:"unwritable,omitempty"`
}

// passed announces a socket between giver and taker, which is the file: a client's connection, unless one of the fields is set.
type passed struct {
	// Listener names the socket that the client's connection came by; empty from a program that has only one. Secure says that the
	// client talks TLS.
	Listener string `json:"listener,omitempty"`
	Secure   bool   `json:"secure,omitempty"`

	// Forward says that requests on the connection come from the giver, on behalf of its clients.
	Forward bool `json:"forward,omitempty"`

	// Giver says that on the socket an earlier giver will pass its connections.
	Giver bool `json:"giver,omitempty"`

	// Offer is a number for the answer, if one is wanted.
	Offer uint64 `json:"offer,omitempty"`

	// Onward, from taker to giver, says that the taker has given its plugins on, and that the socket leads to where they are.
	Onward bool `json:"onward,omitempty"`

	// Answers, from taker to giver, says that whoever the socket leads to answers offers: with Onward the socket that comes with it,
	// otherwise this one.
	Answers bool `json:"answers,omitempty"`

	// Ahead, from taker to giver, says that connections for requests may be opened ahead of the plugins, see proxy.openAhead.
	Ahead bool `json:"ahead,omitempty"`

	// Answer, from taker to giver, answers an offer.
	Answer *offerAnswer `json:"answer,omitempty"`
}

// offerAnswer says whether the taker has taken what it was offered. What it hasn't taken it has closed.
type offerAnswer struct {
	Offer uint64 `json:"offer"`
	Taken bool   `json:"taken"`
}
