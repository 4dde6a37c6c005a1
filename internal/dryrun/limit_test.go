package dryrun

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/wall"
)

// TestPrinted keeps only the beginning of what a child prints, copied from a pipe as package exec does.
func TestPrinted(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		io.Copy(w, strings.NewReader(strings.Repeat("x", 2*maxPrinted)))
		w.Close()
	}()
	var b beginning
	if n, err := io.Copy(&b, r); err != nil || n != 2*maxPrinted || b.b.Len() != maxPrinted {
		t.Errorf("%v: of %d bytes %d are kept", err, n, b.b.Len())
	}
}

// novel is a plugin whose state is long.
type novel struct{ text string }

func (n *novel) ServeHTTP(http.ResponseWriter, *http.Request) {}

func (n *novel) Export(context.Context) (abi.State, error) {
	return abi.State{Schema: "novel", Version: 1, Value: n.text}, nil
}

func (n *novel) Import(context.Context, abi.State) error { return nil }

// TestLongState calls a plugin whose state is too long to be shown, and says so of the state alone.
func TestLongState(t *testing.T) {
	o, err := Order{Steps: []Step{{Request: &Request{Method: "GET", Path: "/"}}}}.resolved()
	if err != nil {
		t.Fatal(err)
	}
	collected := newCollector(o)
	c := &child{teller: newTeller(collected), task: task{Order: o}}
	c.run(instance.NewImage("novel.so", nil, &abi.Descriptor{
		ABI: abi.Version, State: abi.State{Schema: "novel", Version: 1, Value: ""},
		New: func(context.Context, abi.Host) (abi.Instance, error) {
			return &novel{strings.Repeat("x", maxTold)}, nil
		},
	}))
	collected.compare()
	if r := collected.finish(); !r.OK || r.Cut || r.State == nil || !strings.Contains(r.State.Why, "are shown") {
		t.Errorf("OK %v, cut %v, state %+v, failed %+v", r.OK, r.Cut, r.State, r.Failed)
	}
}

// TestDeadline ends a dry run before it is through. There is a result of it, unless nobody wants one any more.
func TestDeadline(t *testing.T) {
	image, err := os.Executable() // is no image, which the child doesn't come to find out
	if err != nil {
		t.Fatal(err)
	}
	o := Order{Image: image, Steps: []Step{{Schedule: &now}}}
	over, cancel := context.WithTimeoutCause(t.Context(), 0, errors.New("over the server's limit"))
	defer cancel()
	r, err := Run(over, o)
	if err != nil || r.OK || r.Failed == nil || !strings.Contains(r.Failed.Error, "over the server's limit") || r.Image == (generations.ID{}) {
		t.Errorf("got %+v, %v", r, err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := Run(cancelled, o); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %+v, %v", r, err)
	}
}

// TestLacking names missing layers where no other does what they are for.
func TestLacking(t *testing.T) {
	no := wall.Layer{Name: wall.Landlock, Why: "not supported", Remedy: "use Linux 5.13"}
	if got := lacking([]wall.Layer{no, {Name: wall.Calls, InForce: true}}); got != nil {
		t.Errorf("got %v", got)
	}
	got := lacking([]wall.Layer{{Name: wall.Processes, InForce: true}, no, {Name: wall.Calls, Why: "forbidden", Remedy: "let seccomp(2) through"}})
	if len(got) != 2 || got[0] != "Landlock: not supported; use Linux 5.13" {
		t.Errorf("got %v", got)
	}
}
