package dryrun

import (
	"encoding/json"
	"io"
	"sync"
)

// event is something that the child tells. One field is set.
type event struct {
	Phase   Phase       `json:"phase,omitempty"` // what begins
	Version *string     `json:"version,omitempty"`
	Log     *Log        `json:"log,omitempty"`
	Emitted *Emitted    `json:"emitted,omitempty"`
	Cached  *Cached     `json:"cached,omitempty"`
	Asked   *Asked      `json:"asked,omitempty"`
	Tasks   int         `json:"tasks,omitempty"`
	Called  *Called     `json:"called,omitempty"` // how a step has ended
	State   *takenState `json:"state,omitempty"`
	Failed  *Failed     `json:"failed,omitempty"` // what else of the plugin's has failed
	End     bool        `json:"end,omitempty"`    // nothing comes after it
}

// takenState is the plugin's state at one instant, as a checkpoint.
type takenState struct {
	After bool   `json:"after,omitempty"`
	Bytes []byte `json:"bytes,omitempty"`
	Why   string `json:"why,omitempty"` // there is none
}

// teller writes events to the parent.
type teller struct {
	mu sync.Mutex // one event at a time
	to *json.Encoder
}

func newTeller(to io.Writer) *teller { return &teller{to: json.NewEncoder(to)} }

// tell blocks until the parent has read what came before.
func (t *teller) tell(e event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.to.Encode(e) // fails only when the parent is gone, and this process with it
}
