package dryrun

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sohost/sohost/internal/lineprotocol"
	"github.com/sohost/sohost/internal/triggers"
)

// Order says what to call a plugin with.
type Order struct {
	// Image is the absolute path of the plugin's image, and Plugin the name that it finds in abi.Host.
	Image  string `json:"image"`
	Plugin string `json:"plugin"`

	// Args are the plugin's arguments that are texts, and Values the others, which an argument in Args takes the place of.
	Args   map[string]string `json:"args,omitempty"`
	Values map[string]any    `json:"values,omitempty"`

	// State is a checkpoint that the plugin begins with. Default: it begins without state.
	State []byte `json:"state,omitempty"`

	// Triggers are those that the calls are made for: the first of the kind counts. Default: "write:*", "every:1m", and none for
	// requests, which then come by a route.
	Triggers []triggers.Trigger `json:"triggers,omitempty"`

	// Database is the one that rows are written to. Default: "test".
	Database string `json:"database,omitempty"`

	// Steps are the calls, in their order. There is at least one.
	Steps []Step `json:"steps"`

	// Answers are what the plugin's queries get, one after the other, as line protocol. Further queries are refused.
	Answers [][]byte `json:"answers,omitempty"`

	// Timeout is how long each call of the plugin's code may take. Default: 10 s.
	Timeout time.Duration `json:"timeout,omitempty"`
}

// Step is one call. Exactly one of its fields is set.
type Step struct {
	Write    []byte     `json:"write,omitempty"`    // rows, as line protocol with times in nanoseconds
	Schedule *time.Time `json:"schedule,omitempty"` // the time that is due
	Request  *Request   `json:"request,omitempty"`
}

// Request is a request of HTTP.
type Request struct {
	Method string      `json:"method"`
	Path   string      `json:"path"` // with the query
	Header http.Header `json:"header,omitempty"`
	Body   []byte      `json:"body,omitempty"`
}

// ErrOrder is returned for an order that can't be carried out, before anything runs.
var ErrOrder = errors.New("order of a dry run")

const (
	defaultTimeout = 10 * time.Second
	maxTimeout     = 10 * time.Minute
	maxSteps       = 1000
	openLimit      = 30 * time.Second // for the start of the process, and opening the image
)

// resolved returns the order with its defaults. The error matches ErrOrder.
func (o Order) resolved() (Order, error) {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %w", ErrOrder, fmt.Errorf(format, args...))
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Database == "" {
		o.Database = "test"
	}
	switch n := len(o.Steps); {
	case n == 0:
		return o, bad("there is nothing to call the plugin with")
	case n > maxSteps:
		return o, bad("%d calls are more than %d", n, maxSteps)
	case o.Timeout < time.Millisecond || o.Timeout > maxTimeout:
		return o, bad("timeout %v: want 1ms to %v", o.Timeout, maxTimeout)
	}
	var given []triggers.Trigger
	for _, t := range append(append([]triggers.Trigger{}, o.Triggers...), triggers.Trigger{Spec: "write:*"}, triggers.Trigger{Spec: "every:1m"}) {
		var faults []error
		given = append(given, t.Resolve(func(field, text string) { faults = append(faults, bad("trigger: %s: %s", field, text)) }))
		if len(faults) > 0 {
			return o, errors.Join(faults...)
		}
	}
	o.Triggers = given
	for i, s := range o.Steps {
		if err := s.check(); err != nil {
			return o, bad("call %d: %w", i+1, err)
		}
	}
	for i, a := range o.Answers {
		if err := readable(a); err != nil {
			return o, bad("answer %d of a query: %w", i+1, err)
		}
	}
	return o, nil
}

func (s Step) check() error {
	switch r := s.Request; {
	case s.Write != nil && (s.Schedule != nil || r != nil), s.Schedule != nil && r != nil:
		return errors.New("it is more than one of a write, a schedule and a request")
	case s.Write != nil:
		return readable(s.Write)
	case s.Schedule != nil:
		return nil
	case r == nil:
		return errors.New("it is neither a write nor a schedule nor a request")
	case !strings.HasPrefix(r.Path, "/"):
		return fmt.Errorf("path %q: want one that begins with /", r.Path)
	default:
		_, err := http.NewRequest(r.Method, r.Path, nil)
		return err
	}
}

// readable returns an error that names the first lines which are no line protocol, or says that there is none.
func readable(text []byte) error {
	p := lineprotocol.Parse(text, lineprotocol.Options{Precision: lineprotocol.Nanosecond, Now: time.Now(), MaxErrors: 3})
	var faults []error
	for i := range p.Bad {
		faults = append(faults, &p.Bad[i])
	}
	if more := p.Errors - len(p.Bad); more > 0 {
		faults = append(faults, fmt.Errorf("and %d more", more))
	}
	if len(faults) == 0 && p.Rows == 0 {
		return errors.New("there are no rows")
	}
	return errors.Join(faults...)
}

// trigger returns the trigger for a step, nil for a request by a route.
func (o Order) trigger(s Step) *triggers.Trigger {
	for i, t := range o.Triggers {
		spec, err := triggers.Parse(t.Spec)
		if err == nil && spec.Kind == triggers.Write == (s.Write != nil) && spec.Scheduled() == (s.Schedule != nil) {
			return &o.Triggers[i]
		}
	}
	return nil
}

// limit is how long the process may take for all. Calls have limits of their own, so only what opening the image runs can reach it.
func (o Order) limit() time.Duration {
	const besides = 8 // New, state in, out, and out again, Start, Stop, Close, and what is left over
	return openLimit + time.Duration(len(o.Steps)+besides)*(o.Timeout+grace)
}
