package dryrun

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/checkpoint"
	"github.com/sohost/sohost/internal/instance"
)

// tally is a plugin with state, which asks and begins goroutines.
type tally struct {
	host    abi.Host
	n       int
	broken  error // of Export
	release chan struct{}
}

func (y *tally) HandleSchedule(ctx context.Context, _ abi.Tick) error {
	y.n++
	y.host.Go(func(context.Context) {})
	_, err := y.host.Query(ctx, abi.Query{Text: "SELECT 1", Database: "db"})
	return err
}

func (y *tally) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Write([]byte("<html>"))
	if y.release != nil {
		<-y.release
	}
}

func (y *tally) Export(context.Context) (abi.State, error) {
	return abi.State{Schema: "tally", Version: 1, Value: y.n}, y.broken
}

func (y *tally) Import(_ context.Context, s abi.State) error {
	y.n = s.Value.(int)
	return nil
}

// tryTally carries out an order in this process.
func tryTally(t *testing.T, o Order, y *tally) Result {
	t.Helper()
	o, err := o.resolved()
	if err != nil {
		t.Fatal(err)
	}
	collected := newCollector(o)
	c := &child{teller: newTeller(collected), task: task{Order: o}}
	c.run(instance.NewImage("tally.so", nil, &abi.Descriptor{
		ABI: abi.Version, State: abi.State{Schema: "tally", Version: 1, Value: 0},
		New: func(_ context.Context, h abi.Host) (abi.Instance, error) { y.host = h; return y, nil },
	}))
	collected.compare()
	return collected.finish()
}

// written returns a checkpoint as the store has it, with the position of a trigger.
func written(t *testing.T, n int) []byte {
	t.Helper()
	dir := t.TempDir()
	lock, err := generations.AcquireLock(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	folder := lock.Folder(dir, "state")
	d := checkpoint.New(folder, slog.New(slog.DiscardHandler))
	s := abi.State{Schema: "tally", Version: 1, Value: n}
	encode := func(w io.Writer) error { return instance.Encode(w, s, maxState) }
	if _, err := d.Write("tally", s, checkpoint.Positions{"write-cpu": 7}, encode, nil); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(folder.Path("tally.cbor"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestState begins with a checkpoint, and tells the state before the first call and after the last.
func TestState(t *testing.T) {
	var checkpoint bytes.Buffer
	if err := instance.Encode(&checkpoint, abi.State{Schema: "tally", Version: 1, Value: 41}, maxState); err != nil {
		t.Fatal(err)
	}
	o := Order{Steps: []Step{{Schedule: &now}, {Schedule: &now}}, State: checkpoint.Bytes(), Answers: [][]byte{[]byte("x v=1")}}
	r := tryTally(t, o, &tally{})
	if s := r.State; s == nil || string(s.Before) != `{"state":41}` || string(s.After) != `{"state":43}` || s.Why != "" {
		t.Errorf("got the state %+v", s)
	}
	o.State = written(t, 41)
	if s := tryTally(t, o, &tally{}).State; s == nil || string(s.Before) != `{"state":41}` {
		t.Errorf("of a checkpoint with positions got the state %+v", s)
	}
	if s := r.Steps[0]; s.Error != "" || s.Tasks != 1 || len(s.Asked) != 1 || s.Asked[0].Rows != 1 || s.Asked[0].Refused {
		t.Errorf("got %+v", s)
	}
	if s := r.Steps[1]; s.Tasks != 1 || len(s.Asked) != 1 || !s.Asked[0].Refused || !strings.Contains(s.Error, "no answer is left") {
		t.Errorf("got %+v", s)
	}
	o.State = []byte("damaged")
	if r := tryTally(t, o, &tally{}); r.Failed == nil || r.Failed.Phase != State || len(r.Steps) != 0 {
		t.Errorf("of a damaged checkpoint got %+v", r)
	}
	o.State = nil
	r = tryTally(t, o, &tally{broken: errors.New("torn")})
	if r.Failed == nil || r.Failed.Phase != Stop || !strings.Contains(r.Failed.Error, "torn") || !strings.Contains(r.State.Why, "torn") {
		t.Errorf("of a state that can't be taken got %+v", r)
	}
}

// TestHang says where a call hangs, keeps what it has answered, and calls nothing after it.
func TestHang(t *testing.T) {
	get := Step{Request: &Request{Method: "GET", Path: "/"}}
	y := &tally{release: make(chan struct{})}
	defer close(y.release)
	r := tryTally(t, Order{Steps: []Step{get, get}, Timeout: time.Second}, y)
	if len(r.Steps) != 1 || r.OK {
		t.Fatalf("got %+v", r)
	}
	s := r.Steps[0]
	if !s.Hangs || !strings.Contains(s.Stack, "(*tally).ServeHTTP") || strings.Contains(s.Stack, "guarded") || !strings.Contains(s.Then, "wait for it") {
		t.Errorf("got %+v", s)
	}
	if a := s.Answer; a == nil || string(a.Body) != "<html>" || a.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("got the answer %+v", a)
	}
}
