package triggers

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
)

// Trigger is one reason for which a plugin is called. The zero value of every field but Spec means its default.
type Trigger struct {
	// Name is the trigger's name, unique in its plugin. Default: one made of Spec, such as "every-10s" and "write-cpu".
	Name string `json:"name"`

	// Spec says when it fires: "request:PATH", "write:TABLE", "write:*", "every:DURATION" or "cron:EXPRESSION".
	Spec string `json:"spec"`

	// Args are what the plugin finds in abi.Trigger.Args over its own arguments. Default: none.
	Args map[string]string `json:"args,omitempty"`

	// OnError is what follows an error. Requests have none: their client gets the answer. Default: Log.
	OnError Policy `json:"on_error,omitempty"`

	// Attempts is how often a call is made at most if OnError is Retry, the first one included. Default: 5.
	Attempts int `json:"attempts,omitempty"`

	// Timeout is when the context of a call ends. A call that doesn't heed it goes on, and the trigger waits for it. Default: 1 min.
	Timeout time.Duration `json:"timeout,omitempty"`

	// QueueRows and QueueBytes bound what waits for the plugin. A write that is larger fits into an empty queue. Default: 1,000,000
	// rows, 64 MiB.
	QueueRows  int   `json:"queue_rows,omitempty"`
	QueueBytes int64 `json:"queue_bytes,omitempty"`

	// Missed is what becomes of the times that passed while no server ran. Default: Skip.
	Missed Missed `json:"missed,omitempty"`

	// Disabled is whether the trigger is disabled until it is enabled by command. Default: it isn't.
	Disabled bool `json:"disabled,omitempty"`
}

// Policy is what follows an error of a plugin.
type Policy string

// The policies. See abi.BatchHandler.
const (
	Log     Policy = "log"     // it is logged, and the next call is made
	Retry   Policy = "retry"   // the call is made again, and in the end what it was for is put aside
	Disable Policy = "disable" // the trigger is disabled
)

// Missed is what becomes of missed times of a schedule.
type Missed string

// What may become of them.
const (
	Skip Missed = "skip" // nothing: they are only counted
	Once Missed = "once" // the last one is caught up with at the start
)

// The defaults.
const (
	defaultAttempts = 5
	defaultTimeout  = time.Minute
	defaultRows     = 1_000_000
	defaultBytes    = 64 << 20
)

// Resolve checks a trigger and fills in the defaults. bad is called for each fault, with the key of the field in JSON.
func (t Trigger) Resolve(bad func(field, text string)) Trigger {
	spec, err := Parse(t.Spec)
	if err != nil {
		bad("spec", err.Error())
	} else {
		t.Spec = spec.String()
	}
	if t.Name == "" && err == nil {
		t.Name = nameOf(t.Spec)
	}
	if t.Name != "" && !generations.ValidName(t.Name) {
		bad("name", fmt.Sprintf("%q: want letters, digits, '.', '-' and '_', beginning with a letter or digit", t.Name))
	}
	switch t.OnError {
	case "":
		t.OnError = Log
	case Log, Retry, Disable:
	default:
		bad("on_error", fmt.Sprintf("want %q, %q or %q, not %q", Log, Retry, Disable, t.OnError))
	}
	switch t.Missed {
	case "":
		t.Missed = Skip
	case Skip, Once:
	default:
		bad("missed", fmt.Sprintf("want %q or %q, not %q", Skip, Once, t.Missed))
	}
	for field, n := range map[string]int64{
		"attempts": int64(t.Attempts), "timeout": int64(t.Timeout), "queue_rows": int64(t.QueueRows), "queue_bytes": t.QueueBytes,
	} {
		if n < 0 {
			bad(field, "it is negative: leave it out for the default")
		}
	}
	setDefault(&t.Attempts, defaultAttempts)
	setDefault(&t.Timeout, defaultTimeout)
	setDefault(&t.QueueRows, defaultRows)
	setDefault(&t.QueueBytes, defaultBytes)
	return t
}

// Paths returns the paths by which requests reach the trigger: its own, and the one that InfluxDB 3 gives it.
func (t Trigger) Paths() []string {
	spec, err := Parse(t.Spec)
	if err != nil || spec.Kind != Request {
		return nil
	}
	return []string{spec.Path, enginePath + spec.Path}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// nameOf makes a name of a spec.
func nameOf(spec string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_':
			return r
		}
		return ' '
	}, strings.ReplaceAll(spec, "*", " all "))
	return strings.Join(strings.Fields(name), "-")
}

// Check returns an error if an instance can't serve a spec.
func Check(i abi.Instance, spec Spec) error {
	var ok bool
	var lacks string
	switch spec.Kind {
	case Write:
		_, ok = i.(abi.BatchHandler)
		lacks = "HandleBatch(context.Context, *abi.Batch) error"
	case Every, Cron:
		_, ok = i.(abi.ScheduleHandler)
		lacks = "HandleSchedule(context.Context, abi.Tick) error"
	default:
		_, ok = i.(http.Handler)
		lacks = "ServeHTTP(http.ResponseWriter, *http.Request)"
	}
	if ok {
		return nil
	}
	return fmt.Errorf("%w %q: %T has no %s", ErrCantServe, spec, i, lacks)
}

// merged returns the plugin's arguments, and over them those of the trigger.
func merged(plugin, trigger map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, plugin)
	maps.Copy(all, trigger)
	return all
}

// Errors.
var (
	// ErrCantServe is returned when an instance lacks the method for a trigger.
	ErrCantServe = errors.New("the plugin can't serve the trigger")

	// ErrFull is returned when a queue has no room. Nothing of the write is in any queue.
	ErrFull = errors.New("the queue of a trigger is full")

	// ErrUnknown is returned when there is no such trigger.
	ErrUnknown = errors.New("unknown trigger")

	// ErrExists is returned when a trigger has that name already.
	ErrExists = errors.New("there is such a trigger")

	// ErrConfigured is returned when a command is to remove a trigger of the configuration.
	ErrConfigured = errors.New("the trigger is one of the configuration")

	// ErrNotCalled is what the owner's Call wraps if the plugin wasn't called.
	ErrNotCalled = errors.New("not called")
)
