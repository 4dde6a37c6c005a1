// Package worker is the process that has a Host: it serves HTTP on sockets that it was given, carries out what its supervisor
// orders, and gives its plugins to its successor, connections included.
//
// Supervisor and worker talk over a socket pair, the link, of which a worker has the file LinkFile from its start. The
// supervisor's messages are Orders, the first of them a Start; the worker's are Words. When the link is at its end there is no
// supervisor any more, and the worker finishes.
package worker

import (
	"time"

	"github.com/sohost/sohost"
)

// LinkFile is the number of the open file by which a worker is linked to its supervisor.
const LinkFile = 3

// Order is a message to a worker; one field is set.
type Order struct {
	Start *Start `json:"start,omitempty"` // files: see StartFiles

	// Ping wants the same number back as Pong.
	Ping uint64 `json:"ping,omitempty"`

	// Control brings a connection of the control socket, which is the file.
	Control bool `json:"control,omitempty"`

	// Give begins a handover. The files are the socket pairs to the taker: that of sohost.Give, and the one for connections.
	Give *Give `json:"give,omitempty"`

	// Keep ends a handover that hasn't come as far as that the plugins are the taker's. The answer is still a Given.
	Keep bool `json:"keep,omitempty"`

	// Answer is to an Ask.
	Answer *Answer `json:"answer,omitempty"`

	// Finish ends the worker once its requests are answered.
	Finish bool `json:"finish,omitempty"`
}

// Start says what to serve. Its files are the listening socket, the store's lock, the file for crash output, and if Takes the
// socket pairs to the giver: that of sohost.Take, and the one for connections.
type Start struct {
	Options         sohost.Options `json:"options"`
	Crashes         []sohost.Crash `json:"crashes,omitempty"`
	CrashesInARow   int            `json:"crashes_in_a_row,omitempty"`
	LogFormat       string         `json:"log_format"`
	Verbose         bool           `json:"verbose,omitempty"`
	ShutdownTimeout time.Duration  `json:"shutdown_timeout"`
	Takes           bool           `json:"takes,omitempty"`
}

// Give says why, and what the taker is to have besides.
type Give struct {
	Why     string            `json:"why"`
	Program string            `json:"program,omitempty"`
	Images  map[string]string `json:"images,omitempty"`
}

// Answer says what became of a handover that was asked for; an empty error is success. ID 0 answers all that were asked for.
type Answer struct {
	ID    uint64 `json:"id"`
	Error string `json:"error,omitempty"`
}

// Word is a message from a worker; one field is set.
type Word struct {
	Pong uint64 `json:"pong,omitempty"`

	// Serving says that the worker serves.
	Serving *Serving `json:"serving,omitempty"`

	// Failed is why a worker ends that has never served.
	Failed string `json:"failed,omitempty"`

	// Ask wants a handover.
	Ask *Ask `json:"ask,omitempty"`

	// Given answers Give.
	Given *Given `json:"given,omitempty"`
}

// Serving tells of a worker's beginning.
type Serving struct {
	Release int `json:"release"`
}

// Ask wants a handover and an Answer.
type Ask struct {
	ID  uint64 `json:"id"`
	Why string `json:"why"`
}

// Given is what became of a handover. After an error the giver serves on.
type Given struct {
	Handover *sohost.Handover `json:"handover,omitempty"`
	Error    string           `json:"error,omitempty"`
	Refusal  *sohost.Refusal  `json:"refusal,omitempty"` // if it is one plugin's image
}

// passed announces a connection between giver and taker, which is the file.
type passed struct {
	// Forward says that the giver makes the requests, on behalf of its own clients, and not a client.
	Forward bool `json:"forward,omitempty"`
}
