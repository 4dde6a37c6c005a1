package sohost

import (
	"errors"
	"net/http"
	"time"

	"github.com/sohost/sohost/internal/triggers"
)

// Handover describes a completed move of the plugins from one process, the giver, to another, the taker. It is for
// supervisors only.
type Handover struct {
	Why     string         `json:"why"`
	Time    time.Time      `json:"time"`    // when Give began
	Giver   int            `json:"giver"`   // process ID
	Taker   int            `json:"taker"`   // process ID
	Release int            `json:"release"` // the current release; 0 if the taker did not report it
	Phases  HandoverPhases `json:"phases"`

	// Moves describes the plugins whose state moved or whose image changed, ordered by name.
	Moves []Move `json:"moves"`

	// Removed names the plugins that the taker doesn't have, because GiveOptions.Config removes them.
	Removed []string `json:"removed,omitempty"`

	// Waited describes the callers who had to wait while state moved; nil if nobody did.
	Waited *Waited `json:"waited,omitempty"`

	// Warning describes what went wrong after the taker had begun to serve; empty if nothing did.
	Warning string `json:"warning,omitempty"`
}

// HandoverPhases holds the duration of each step of a handover, in nanoseconds in JSON. Callers of stateful plugins
// wait from Drain to Commit. It is for supervisors only.
type HandoverPhases struct {
	Prepare time.Duration `json:"prepare"` // the taker opens the images and calls New; the giver serves
	Ahead   time.Duration `json:"ahead"`   // maps of the states are sent; the giver serves
	Drain   time.Duration `json:"drain"`   // wait for the last call of a stateful plugin
	State   time.Duration `json:"state"`   // Stop, Export, transfer and Import; then the taker calls every Start
	Commit  time.Duration `json:"commit"`  // tell the taker that the plugins are its own
	Publish time.Duration `json:"publish"` // wait until the taker has published its release
}

// ByName returns the durations by the names of the phases.
func (p HandoverPhases) ByName() map[string]time.Duration {
	return map[string]time.Duration{
		"prepare": p.Prepare, "ahead": p.Ahead, "drain": p.Drain, "state": p.State, "commit": p.Commit, "publish": p.Publish,
	}
}

// GiveOptions configures a handover. The zero value works. It is for supervisors only.
type GiveOptions struct {
	// Why is the reason in words, for logs and history. Default: "handover".
	Why string

	// Images maps plugin names to new images that the taker is to serve, as in Deploy. Default: none; the taker serves
	// what this host does.
	Images map[string]string

	// LoseState allows new images to lose state, as in DeployOptions, and plugins that Config removes.
	LoseState bool

	// Config is the configuration that the taker is to serve, all of it or, if the handover fails, nothing. Plugins that it adds serve
	// what the release says, as at a boot, or else their file. Of those that it removes the state is saved: it is there again if
	// they are added again. Default: the plugins stay as they are configured.
	Config *Configuration

	// Program is the path of the executable that the taker runs, if that isn't this process's. A plugin whose image
	// doesn't fit it gets its configured file instead, if that fits; otherwise Give fails. An image that was asked for,
	// in Images or by a pending Deploy, is never replaced. Default: the taker runs the same executable.
	Program string

	// Forward serves the requests that wait when the handover commits, and all that reach this host afterwards.
	// Default: they are answered with 503.
	Forward http.Handler
}

// message is one message between giver and taker. Exactly one field is set, or Yours and Triggers. ARCHITECTURE.md lists their order.
type message struct {
	Plan     *plan            `json:"plan,omitempty"`
	Prepared *prepared        `json:"prepared,omitempty"`
	Ahead    string           `json:"ahead,omitempty"`   // as State, for a state that calls still change: changes follow
	Changes  []changesMessage `json:"changes,omitempty"` // come with a file that has them
	Reached  bool             `json:"reached,omitempty"` // all of that so far has been sent; the taker answers the same when it has decoded it
	State    string           `json:"state,omitempty"`   // the plugin's name; comes with a pipe to read the state from
	Caches   bool             `json:"caches,omitempty"`  // comes with a pipe to read their contents from
	Copy     string           `json:"copy,omitempty"`    // the plugin's name; comes with a pipe to read its state from once it is the taker's
	States   bool             `json:"states,omitempty"`  // all states have been sent
	Accepted bool             `json:"accepted,omitempty"`
	Yours    bool             `json:"yours,omitempty"`
	Serving  *Reload          `json:"serving,omitempty"`
	Failed   *failed          `json:"failed,omitempty"`

	// Triggers is up to where the triggers have come.
	Triggers *triggers.Saved `json:"triggers,omitempty"`
}

// prepared tells the giver in which form the taker wants state.
type prepared struct {
	Format int                    `json:"format"` // the planFormat that the taker knows
	PID    int                    `json:"pid"`
	Wants  map[string]wantedState `json:"wants"` // by plugin; one that takes no state is absent

	Exclusive []string `json:"exclusive,omitempty"` // plugins whose old instance must be stopped before their Start
}

type wantedState struct {
	Schema  string `json:"schema,omitempty"`
	Version int    `json:"version,omitempty"`
	Ahead   bool   `json:"ahead,omitempty"`       // the state may be sent ahead
	GoMaps  bool   `json:"ahead_trees,omitempty"` // and not only keep.Maps of it

	// FlatMaps says that to a giver of an older program, which sends Go maps without pointers.
	FlatMaps bool `json:"ahead_maps,omitempty"`
}

// failed says why the taker gives up.
type failed struct {
	Message string   `json:"message"`
	Refusal *Refusal `json:"refusal,omitempty"` // set if one plugin's image is the reason
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

// undoTimeout is how long a taker gets to stop what it has started and to exit, while callers wait. After that it is
// killed, and gets the same time again to be gone.
const undoTimeout = 2 * time.Second

// Errors of a peer that is gone or doesn't keep to the order of messages.
var (
	errTakerGone  = errors.New("the new process has ended")
	errGiverGone  = errors.New("the giver is gone")
	errVersion    = errors.New("the other process is another version of this program: restart the server instead")
	errOutOfOrder = errors.New("unexpected message")
)
