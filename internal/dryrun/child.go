package dryrun

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/checkpoint"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/state"
	"github.com/sohost/sohost/internal/wall"
)

// dryRunEnv is the environment variable that makes a process the child of a dry run.
const dryRunEnv = "SOHOST_DRYRUN"

// In the child of a dry run, this init function is all of the program that runs, as in the child of a probe.
func init() {
	if os.Getenv(dryRunEnv) != "" {
		os.Exit(runChild())
	}
}

// runChild is the whole life of a child.
func runChild() int {
	os.Unsetenv(dryRunEnv)
	out, err := ownOutput()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	inside, err := wall.Enter()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	text, err := inside.Task()
	if err != nil {
		return 1
	}
	c := &child{teller: newTeller(out)}
	if err := json.Unmarshal(text, &c.task); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	c.openAndRun()
	c.tell(event{End: true})
	return 0
}

// ownOutput takes the standard output for the events. What the plugin prints goes to the standard error.
func ownOutput() (*os.File, error) {
	fd, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 10)
	if err != nil {
		return nil, fmt.Errorf("output of a dry run: %w", err)
	}
	if err := unix.Dup3(2, 1, 0); err != nil {
		return nil, fmt.Errorf("output of a dry run: %w", err)
	}
	return os.NewFile(uintptr(fd), "events"), nil
}

// child runs an order.
type child struct {
	*teller
	task
	begun int // goroutines that were told
}

// fail tells what has failed in a phase.
func (c *child) fail(phase Phase, err error) {
	f := &Failed{Phase: phase, Error: err.Error()}
	if p, ok := errors.AsType[*instance.PanicError](err); ok {
		f.Stack = trimmed(string(p.Stack))
	} else if errors.Is(err, errTimeout) {
		f.Stack = hanging()
	}
	c.tell(event{Failed: f})
}

// limited returns the context of one call of the plugin's code.
func (c *child) limited() (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.Background(), c.Timeout, fmt.Errorf("%w of %v", errTimeout, c.Timeout))
}

// errTimeout is returned when a call has not returned in time.
var errTimeout = errors.New("over the time limit")

func (c *child) openAndRun() {
	c.tell(event{Phase: Open})
	image, err := instance.Open(context.Background(), c.Image)
	if err == nil {
		err = instance.CheckArgs(image.Args(), c.args())
	}
	if err != nil {
		c.fail(Open, err)
		return
	}
	version := image.Version()
	c.tell(event{Version: &version})
	c.run(image)
}

// run makes an instance, calls it and ends it.
func (c *child) run(image *instance.Image) {
	c.tell(event{Phase: New})
	ctx, cancel := c.limited()
	in, err := instance.New(ctx, image, newHost(c.Order, c.Generation, c.teller), nil, nil, func(*instance.Instance) {})
	cancel()
	if err != nil {
		c.fail(New, err)
		return
	}
	if !c.begin(in) {
		return
	}
	for _, s := range c.Steps {
		c.tell(event{Phase: Call})
		r := c.call(in.Value(), s)
		c.tellTasks(in)
		if c.tell(event{Called: r}); r.Hangs {
			return // nothing more can be called beside it
		}
	}
	c.end(in)
}

// begin gives the instance its state and starts it.
func (c *child) begin(in *instance.Instance) bool {
	c.tell(event{Phase: State})
	ctx, cancel := c.limited()
	defer cancel()
	if c.Order.State != nil {
		if err := c.restore(ctx, in); err != nil {
			c.fail(State, err)
			return false
		}
	}
	c.tellState(in, false)
	c.tell(event{Phase: Start})
	ctx, cancel = c.limited()
	defer cancel()
	err := in.Start(ctx)
	c.tellTasks(in)
	if err != nil {
		c.fail(Start, err)
	}
	return err == nil
}

// end stops the instance, takes its state and closes it.
func (c *child) end(in *instance.Instance) {
	c.tell(event{Phase: Stop})
	ctx, cancel := c.limited()
	defer cancel()
	if err := in.Pause(ctx); err != nil {
		c.fail(Stop, err)
		return
	}
	c.tellState(in, true)
	ctx, cancel = c.limited()
	defer cancel()
	if err := in.End(ctx); err != nil {
		c.fail(Stop, err)
	}
}

func (c *child) restore(ctx context.Context, in *instance.Instance) error {
	if !in.Stateful() {
		return errors.New("there is a state to begin from, and the plugin has none")
	}
	if err := in.Uncheckpointable(); err != nil {
		return err
	}
	stream, _, err := checkpoint.Split(bytes.NewReader(c.Order.State), int64(len(c.Order.State)))
	if err == nil {
		_, err = in.AcceptStream(ctx, stream, state.Options{MaxBytes: maxState})
	}
	return err
}

const (
	maxState     = 256 << 20 // bounds the memory of a state, in bytes
	maxToldState = 4 << 20   // and how much of it is told: two of them leave room for all else
)

// tellState tells the state of an instance that isn't started.
func (c *child) tellState(in *instance.Instance, after bool) {
	if !in.Stateful() {
		return
	}
	s := takenState{After: after}
	var b bytes.Buffer
	err := in.Uncheckpointable()
	if err == nil {
		var exported abi.State
		ctx, cancel := c.limited()
		defer cancel()
		if exported, _, err = in.Export(ctx, abi.State{}); err == nil {
			err = instance.Encode(&b, exported, maxState)
		}
	}
	switch {
	case err != nil:
		s.Why = err.Error()
	case b.Len() > maxToldState:
		s.Why = fmt.Sprintf("it takes %d bytes, and up to %d are shown", b.Len(), maxToldState)
	default:
		s.Bytes = b.Bytes()
	}
	c.tell(event{State: &s})
	if err != nil && after {
		c.fail(Stop, fmt.Errorf("its state can't be taken: %w", err))
	}
}

// tellTasks tells how many goroutines the instance has begun since the last time.
func (c *child) tellTasks(in *instance.Instance) {
	if n := in.Begun(); n > c.begun {
		c.tell(event{Tasks: n - c.begun})
		c.begun = n
	}
}

// trimmed returns a stack without the host's own calls above and below the plugin's.
func trimmed(stack string) string {
	lines := strings.Split(strings.TrimSpace(stack), "\n")
	var kept []string
	for i := 1; i+1 < len(lines); i += 2 { // a call, and where it is
		switch f := lines[i]; {
		case strings.HasPrefix(f, "panic("): // what is above it has caught the panic
			kept = nil
		case strings.HasPrefix(f, "runtime."), strings.HasPrefix(f, "runtime/"), strings.HasPrefix(f, "created by"),
			strings.Contains(f, "sohost/internal/dryrun.(*child)"), strings.Contains(f, "sohost/internal/instance."):
		default:
			kept = append(kept, f, lines[i+1])
		}
	}
	return strings.Join(kept, "\n")
}
