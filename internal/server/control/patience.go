package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sohost/sohost/internal/pidfd"
)

// ErrSilent is returned when a server doesn't answer that has been asked: it is stopped or hangs, or it takes longer than Patience allows.
// An order that it has got may be carried out once it goes on.
var ErrSilent = errors.New("no answer")

// Patience says how long a Client waits for an answer, besides until the ctx of a call ends.
type Patience struct {
	// Answer bounds the wait for an answer. Default: 30 s for a question. An order may take as long as it likes, while the server says
	// that it lives.
	Answer time.Duration

	// Doing says what is waited for. Default: "waiting for the server".
	Doing string

	// Tell is called with what is waited for when that takes longer than a moment, and when it changes; after that once with "", when the
	// call ends. Default: nobody is told.
	Tell func(what string)
}

// questionLimit is how long a question may take. The supervisor answers within seconds, but a worker may boot first.
const questionLimit = 30 * time.Second

// pulse says when a client looks whether a server lives that hasn't answered yet.
type pulse struct {
	first, again time.Duration // before the first look, and before another
	soon         time.Duration // within which a server answers that isn't busy
	limit        time.Duration // after which one is given up that doesn't say that it lives
	stream       time.Duration // the same for the stream of events, in which it says something every 15 s
}

func defaultPulse() pulse {
	return pulse{first: 500 * time.Millisecond, again: time.Second, soon: 250 * time.Millisecond, limit: 15 * time.Second, stream: 45 * time.Second}
}

// Life is what a supervisor says of itself, without waiting for anybody.
type Life struct {
	PID int `json:"pid"`

	// Why says what keeps it from carrying out orders about plugins; empty if nothing does.
	Why string `json:"why,omitempty"`
}

// waiting is a call that waits for its answer.
type waiting struct {
	client *Client
	order  bool
	ctx    context.Context // of the call; it ends, too, when the server is given up
	giveUp context.CancelCauseFunc
	stop   context.CancelFunc // ends the watch
	tasks  sync.WaitGroup

	// Only the watch uses these.
	why   string // what was told last
	told  bool
	lives bool // the server has said so
}

// wait begins to watch a call. The caller must call end.
func (c *Client) wait(ctx context.Context, method string) *waiting {
	w := &waiting{client: c, order: method != http.MethodGet}
	w.ctx, w.giveUp = context.WithCancelCause(ctx)
	watched, stop := context.WithCancel(w.ctx)
	w.stop = stop
	w.tasks.Go(func() { w.watch(watched) })
	return w
}

// answered ends the watch, and nothing else.
func (w *waiting) answered() {
	w.stop()
	w.tasks.Wait()
}

// end ends the watch and the call.
func (w *waiting) end() {
	w.answered()
	w.giveUp(nil)
}

// watch gives the server up when it is silent for too long, and tells what the call waits for.
func (w *waiting) watch(ctx context.Context) {
	limit := w.client.Patience.Answer
	if limit == 0 && !w.order {
		limit = questionLimit
	}
	limited := ctx
	if limit > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	for pause := w.client.pulse.first; w.pause(limited, pause) && w.look(limited); {
		pause = w.client.pulse.again
	}
	if ctx.Err() == nil && limited.Err() != nil {
		if w.why == "" && w.lives {
			w.why = "the server lives, and works on it"
		}
		w.silent(fmt.Sprintf("within %v: %s; --wait with a longer time waits longer", limit, cmp.Or(w.why, w.client.mute())))
	}
	if w.told {
		w.client.Patience.Tell("")
	}
}

// pause reports whether the pause is over before ctx.
func (w *waiting) pause(ctx context.Context, d time.Duration) bool {
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-over.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// look finds out whether the server lives, and tells. It reports whether to go on watching.
func (w *waiting) look(ctx context.Context) bool {
	asked, cancel := context.WithTimeout(ctx, w.client.pulse.limit)
	defer cancel()
	type answer struct {
		Life
		err error
	}
	lives := make(chan answer, 1)
	w.tasks.Go(func() {
		var a answer
		a.err = w.client.exchange(asked, http.MethodGet, "/v1/alive", nil, &a.Life)
		lives <- a
	})
	var a answer
	soon := time.NewTimer(w.client.pulse.soon)
	defer soon.Stop()
	select {
	case a = <-lives:
	case <-soon.C:
		w.tell(w.client.mute())
		a = <-lives
	}
	switch {
	case ctx.Err() != nil:
		return false
	case asked.Err() != nil:
		w.tell(w.client.mute())
		w.silent(fmt.Sprintf("for %v: %s", w.client.pulse.limit, w.why))
		return false
	case a.err == nil: // with an error the call itself has one, or the server is of a version that knows of no such question
		w.lives = true
		w.tell(a.Why)
	}
	return true
}

// silent gives the server up.
func (w *waiting) silent(why string) {
	err := fmt.Errorf("%w %s", ErrSilent, why)
	if w.order {
		err = fmt.Errorf("%w. It may still carry the order out: see `sohost status` once it answers", err)
	}
	w.giveUp(err)
}

// tell tells what the call waits for.
func (w *waiting) tell(why string) {
	news := !w.told || why != w.why
	w.why = why
	p := w.client.Patience
	if p.Tell == nil || !news {
		return
	}
	w.told = true
	p.Tell(strings.TrimSuffix(cmp.Or(p.Doing, "waiting for the server")+": "+why, ": "))
}

// mute says of a server that doesn't answer what can be told from outside.
func (c *Client) mute() string {
	pid := int(c.pid.Load())
	switch {
	case pid == 0:
		return "the server takes no connections on " + c.path
	case pidfd.Stopped(pid):
		return Stopped("the server", pid)
	}
	return fmt.Sprintf("the server, pid %d, doesn't answer", pid)
}

// Stopped says that a process is stopped, and how it goes on.
func Stopped(who string, pid int) string {
	return fmt.Sprintf("%s, pid %d, is stopped, by a signal or a debugger; `kill -CONT %[2]d` lets it go on", who, pid)
}
