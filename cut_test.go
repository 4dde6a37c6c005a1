package sohost

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
)

// cuts boots a plugin with state whose requests are cut off soon, and returns what is told of that.
func cuts(w *world) (*rig, <-chan generations.Event) {
	told := make(chan generations.Event, 10)
	o := w.options("b")
	w.file("b", "b1")
	o.Plugins[0].CutAfter = time.Millisecond
	o.Events = func(e generations.Event) {
		if e.Kind == generations.KindCutOff {
			told <- e
		}
	}
	return w.host(o), told
}

// streams begins a request that goes on until its context ends, and returns its end's cause.
func (r *rig) streams(image string) <-chan error {
	entered, ended := make(chan struct{}), make(chan error, 1)
	r.w.fail(image+" b/stream", func(ctx context.Context) error {
		close(entered)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return nil
	})
	go r.request("/b/stream") // ended tells of its end
	<-entered
	return ended
}

// TestCutAfter reloads and hands over a plugin with state, of which a request runs that would never end. One that runs before and after,
// and ends by itself, isn't cut off.
func TestCutAfter(t *testing.T) {
	w := newWorld(t)
	r, told := cuts(w)
	r.wants("/b", "b1 1")
	ended := r.streams("b1")
	r.mustDeploy("b2")
	if err := <-ended; err != ErrCutOff {
		t.Errorf("the request ended with %v", err)
	}
	if e := <-told; e.Plugin != "b" || e.From != w.imageID("b1") || len(e.Detail) < 10 || e.Detail[:10] != "GET /b/str" {
		t.Errorf("told was %+v", e)
	}
	if s := r.pluginStatus("b"); s.Cut != 1 {
		t.Errorf("%d requests are said to have been cut off", s.Cut)
	}
	r.wants("/b", "b2 3") // what the stream has counted when it ended has moved, too

	r.mustDeploy("b3")
	if s := r.pluginStatus("b"); s.Cut != 1 || len(told) != 0 {
		t.Errorf("without a request that runs, %d were cut off", s.Cut)
	}
}

// TestCutAfterHandover hands a plugin over of which a request runs that would never end.
func TestCutAfterHandover(t *testing.T) {
	w := newWorld(t)
	r, lock := w.giver("b1")
	p, err := r.plugin("b")
	if err != nil {
		t.Fatal(err)
	}
	p.CutAfter = time.Millisecond // before any request
	ended := r.streams("b1")
	taker, _, err, takeErr := r.handover(t.Context(), lock, GiveOptions{})
	if err != nil || takeErr != nil {
		t.Fatal(err, takeErr)
	}
	if err := <-ended; err != ErrCutOff {
		t.Errorf("the request ended with %v", err)
	}
	if p, err := taker.plugin("b"); err != nil || p.CutAfter != time.Millisecond {
		t.Errorf("the taker has %v, %v", p.CutAfter, err)
	}
	taker.wants("/b", "b1 2")
}

// TestCutAfterTakenOver cuts off a request whose handler has taken the connection over and waits for what the client says.
func TestCutAfterTakenOver(t *testing.T) {
	l, p := new(loaded), &plugin{Plugin: Plugin{Name: "p", CutAfter: time.Minute}, host: &Host{}}
	entered := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.handle(w, r, l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			c, rw, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprint(c, "ready\n")
			close(entered)
			rw.ReadByte()
			c.Close()
		}))
	}))
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	in := bufio.NewReader(c)
	if line, err := in.ReadString('\n'); line != "ready\n" {
		t.Fatal(line, err)
	}
	<-entered
	l.cutter.cut()
	if b, err := in.ReadByte(); err == nil {
		t.Errorf("the client reads %q", b)
	}
}
