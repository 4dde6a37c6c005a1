package sohost

import (
	"errors"
	"net/http"
	"time"
)

// Handover describes how the plugins went from one process, the giver, to another, the taker.
type Handover struct {
	Why     string         `json:"why"`
	Time    time.Time      `json:"time"` // when it began
	Giver   int            `json:"giver"`
	Taker   int            `json:"taker"`
	Release int            `json:"release"` // the one that is current now
	Phases  HandoverPhases `json:"phases"`

	// Moves describes the plugins that have state or another image now, in the order of their names.
	Moves []Move `json:"moves"`

	// Waited describes the callers who had to wait for state; absent if none had to.
	Waited *Waited `json:"waited,omitempty"`

	// Warning says what went wrong after the taker had begun to serve.
	Warning string `json:"warning,omitempty"`
}

// HandoverPhases has the durations of the steps of a handover, in nanoseconds in JSON. Callers of plugins with state wait from
// drain to commit.
type HandoverPhases struct {
	Prepare time.Duration `json:"prepare"` // the taker opens the images
	Drain   time.Duration `json:"drain"`   // until the last call of a plugin with state
	State   time.Duration `json:"state"`   // Stop, Export, the way to the taker, Import, and there the Start of all
	Commit  time.Duration `json:"commit"`  // the message that the plugins are the taker's
	Publish time.Duration `json:"publish"` // until the taker has published its release
}

// GiveOptions adjusts a handover. The zero value works.
type GiveOptions struct {
	// Why is the reason, in words.
	Why string

	// Images are new images for plugins that are to serve afterwards, as in Deploy.
	Images map[string]string

	// Program is the executable that the taker runs, if it isn't this one's. An image that doesn't fit it is replaced by the
	// plugin's configured file if that fits.
	Program string

	// Forward gets the requests that wait at the end of the handover, and all that come to this host later. Default: they are
	// answered with 503.
	Forward http.Handler
}

// message is one message between giver and taker; one field is set. ARCHITECTURE.md has their order.
type message struct {
	Plan     *plan     `json:"plan,omitempty"`
	Prepared *prepared `json:"prepared,omitempty"`
	State    string    `json:"state,omitempty"`  // the plugin; the file is the end of a pipe with the state
	Caches   bool      `json:"caches,omitempty"` // the file is the end of a pipe with what is in them
	States   bool      `json:"states,omitempty"` // these were all
	Accepted bool      `json:"accepted,omitempty"`
	Yours    bool      `json:"yours,omitempty"`
	Serving  *Reload   `json:"serving,omitempty"`
	Failed   *failed   `json:"failed,omitempty"`
}

// prepared says in which form the taker wants state.
type prepared struct {
	PID   int                    `json:"pid"`
	Wants map[string]wantedState `json:"wants"` // by plugin; absent: it takes none
}

type wantedState struct {
	Schema  string `json:"schema,omitempty"`
	Version int    `json:"version,omitempty"`
}

// failed is why the taker gives up.
type failed struct {
	Message string   `json:"message"`
	Refusal *Refusal `json:"refusal,omitempty"` // if it is one plugin's image
}

func (f *failed) err() error {
	if f.Refusal != nil {
		f.Refusal.Err = errors.New(f.Refusal.Message)
		return f.Refusal
	}
	return errors.New(f.Message)
}

// successor is the process that has the plugins after a handover.
type successor struct {
	forward http.Handler // passes requests on to it; nil if they are to be answered with 503
}

// undoTimeout is how long a taker gets to stop what it has started and to end, while callers wait; and the kernel the same again
// after it was killed.
const undoTimeout = 2 * time.Second

// The errors of a peer that doesn't keep to the order of messages, or is gone.
var (
	errTakerGone  = errors.New("the new process has ended")
	errGiverGone  = errors.New("the giver is gone")
	errOutOfOrder = errors.New("unexpected message")
)
