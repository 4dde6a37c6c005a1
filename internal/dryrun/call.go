package dryrun

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/lineprotocol"
	"github.com/sohost/sohost/internal/triggers"
)

// call makes one call, and returns how it went.
func (c *child) call(i abi.Instance, s Step) *Called {
	t := c.trigger(s)
	r := &Called{Step: s.String()}
	spec := triggers.Spec{Kind: triggers.Request}
	var shown *abi.Trigger
	if t != nil {
		r.Trigger = t.Spec
		spec, _ = triggers.Parse(t.Spec) // Order.resolved has
		args := c.args()
		maps.Copy(args, t.Args)
		shown = &abi.Trigger{Name: t.Name, Spec: t.Spec, Args: args}
	}
	if err := triggers.Check(i, spec); err != nil {
		r.Error, r.Then = err.Error(), "a server refuses to load it with such a trigger"
		return r
	}
	var do func(context.Context) error
	var answer *recorder
	switch {
	case s.Write != nil:
		do = c.batch(i, s, spec, shown, r)
	case s.Schedule != nil:
		do = func(ctx context.Context) error {
			return i.(abi.ScheduleHandler).HandleSchedule(ctx, abi.Tick{Trigger: shown, Due: *s.Schedule, Attempt: 1})
		}
	default:
		answer = newRecorder()
		do = func(ctx context.Context) error {
			if shown != nil {
				ctx = context.WithValue(ctx, abi.TriggerKey{}, shown)
			}
			i.(http.Handler).ServeHTTP(answer, s.Request.http(ctx))
			return nil
		}
	}
	if do == nil {
		return r
	}
	begin := time.Now()
	err := c.guarded(do)
	r.Took = time.Since(begin)
	c.judge(r, t, err)
	if answer != nil {
		r.Answer = answer.answered(err == nil)
	}
	return r
}

// batch returns the call for rows, nil if the trigger wants none of them.
func (c *child) batch(i abi.Instance, s Step, spec triggers.Spec, shown *abi.Trigger, r *Called) func(context.Context) error {
	p := lineprotocol.Parse(s.Write, lineprotocol.Options{Precision: lineprotocol.Nanosecond, Now: time.Now()})
	b := &abi.Batch{Trigger: shown, Database: c.Database, Attempt: 1}
	for _, t := range p.Tables {
		if spec.Table == "" || spec.Table == t.Name {
			b.Tables = append(b.Tables, t)
			r.Rows += len(t.Times)
		}
	}
	if r.Rows == 0 {
		r.Error = fmt.Sprintf("no row is of the table %q: the plugin isn't called", spec.Table)
		return nil
	}
	return func(ctx context.Context) error { return i.(abi.BatchHandler).HandleBatch(ctx, b) }
}

// judge notes an error, and what would follow it.
func (c *child) judge(r *Called, t *triggers.Trigger, err error) {
	if err == nil {
		return
	}
	r.Error = err.Error()
	request := t == nil || strings.HasPrefix(t.Spec, string(triggers.Request))
	switch p, panicked := errors.AsType[*instance.PanicError](err); {
	case errors.Is(err, errHangs):
		r.Hangs, r.Stack = true, hanging()
		if r.Then = "its trigger would wait for it, and call nothing meanwhile"; request {
			r.Then = "its client would wait for it"
		}
		return
	case panicked && errors.Is(p.Unwrap(), http.ErrAbortHandler):
		r.Then = "the connection would be closed, as the handler wants"
		return
	case panicked:
		r.Stack = trimmed(string(p.Stack))
	}
	if r.Then = "its client would get the status 500"; !request {
		r.Then = t.Consequence(err)
	}
}

// errHangs is returned when a call has not returned, even some time after its context has ended.
var errHangs = errors.New("it has not returned")

// grace is how long a call that heeds the end of its context may still take to return.
const grace = 500 * time.Millisecond

// guarded calls a function of the plugin. Neither a panic nor its never returning stops the child.
func (c *child) guarded(do func(context.Context) error) error {
	ctx, cancel := c.limited()
	defer cancel()
	done := make(chan error, 1)
	go func() {
		err := errors.New("it ended its goroutine") // stays if runtime.Goexit ends the call
		defer func() { done <- err }()
		defer func() {
			if v := recover(); v != nil {
				err = instance.NewPanicError(v)
			}
		}()
		err = do(ctx)
	}()
	patience := time.NewTimer(c.Timeout + grace)
	defer patience.Stop()
	select {
	case err := <-done:
		return err
	case <-patience.C:
		return fmt.Errorf("%w: its context ended after %v", errHangs, c.Timeout)
	}
}

// hanging returns the stacks of the calls of the plugin's code that have not returned.
func hanging() string {
	all := make([]byte, 1<<20)
	all = all[:runtime.Stack(all, true)]
	var found []string
	for goroutine := range strings.SplitSeq(string(all), "\n\n") {
		if strings.Contains(goroutine, "dryrun.(*child).guarded.func") || strings.Contains(goroutine, "instance.(*Instance).guard.func") {
			found = append(found, trimmed(goroutine))
		}
	}
	return strings.Join(found, "\n\n")
}

// http returns the request as a handler gets it.
func (r *Request) http(ctx context.Context) *http.Request {
	req, err := http.NewRequestWithContext(ctx, r.Method, r.Path, bytes.NewReader(r.Body))
	if err != nil {
		panic(err) // Step.check has made one
	}
	req.RequestURI, req.RemoteAddr, req.Host = r.Path, "192.0.2.1:1234", "dry-run.invalid" // addresses and names of examples
	for name, values := range r.Header {
		if name == "Host" {
			req.Host = values[0]
			continue
		}
		req.Header[name] = values
	}
	return req
}

// String returns the step in words.
func (s Step) String() string {
	switch {
	case s.Write != nil:
		return "write"
	case s.Schedule != nil:
		return "schedule " + s.Schedule.Format(time.RFC3339Nano)
	}
	return s.Request.Method + " " + s.Request.Path
}
