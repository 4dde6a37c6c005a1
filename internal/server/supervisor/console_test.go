package supervisor

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sohost/sohost/internal/server/console"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/sockets/socketstest"
)

// get returns the status and the body that a URL answers with.
func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.Status + " " + string(body)
}

// TestConsole asks the console while the first worker starts, after the worker's death, and for what that has left. Its events go on
// through both.
func TestConsole(t *testing.T) {
	address := socketstest.Free(t)
	st := newStage(t, func(o *Options, _ *limits) { o.Console = address })
	wants := func(when, path string, texts ...string) {
		t.Helper()
		got := get(t, "http://"+address+path)
		for _, text := range texts {
			if !strings.Contains(got, text) {
				t.Errorf("%s %s answers %s; want %s", when, path, got, text)
			}
		}
	}
	st.run()
	p := st.worker()
	wants("while the first worker starts", "/", "200 OK", `<script type="module" src="app.js">`)
	wants("while the first worker starts", "/v1/status?brief=true", "200 OK", "no worker serves yet")
	if status := st.await(func(control.Status) bool { return true }); status.Console != "http://"+address+"/" {
		t.Errorf("the status has the console at %q", status.Console)
	}
	events, err := http.Get("http://" + address + "/v1/events?since=0")
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	p.serve(7)
	st.await(func(s control.Status) bool { return s.Worker != nil })
	p.crash("panic: oh\n\ngoroutine 1 [running]:\nmain.f()\n\t/f.go:1 +0x1\n")
	next := st.worker()
	next.serve(8)
	status := st.await(func(s control.Status) bool { return s.Worker != nil && len(s.Crashes) == 1 })
	name := filepath.Base(status.Crashes[0].File)
	wants("after a crash", "/v1/crash?file="+name, "200 OK", "panic: oh", "main.f()")
	for _, other := range []string{"", "..", "../current", "/etc/passwd", "000099" + name[6:]} {
		wants("for another file", "/v1/crash?file="+other, "409 Conflict", "no worker has left a file")
	}
	for died, lines := false, bufio.NewScanner(events.Body); ; {
		if !lines.Scan() {
			t.Fatalf("the events end: %v", lines.Err())
		}
		died = died || lines.Text() == "event: worker died"
		if died && lines.Text() == "event: worker serves" {
			break
		}
	}
}

// TestNoConsole starts servers that can have no console.
func TestNoConsole(t *testing.T) {
	for _, test := range []struct {
		address, token string
		is             error
		text           string
	}{
		{"0.0.0.0:0", "", console.ErrNeedsToken, ""},
		{"0.0.0.0:0", "/nowhere", nil, "read the console's token"},
	} {
		st := newStage(t, func(o *Options, _ *limits) { o.Console, o.ConsoleToken = test.address, test.token })
		if err := st.s.Run(t.Context()); err == nil || !errors.Is(err, test.is) && test.is != nil || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s, %s: %v", test.address, test.token, err)
		}
	}
}

// TestFailedBuilds shows builds that have failed until one of the same plugin succeeds.
func TestFailedBuilds(t *testing.T) {
	s := New(Options{})
	note := func(plugin, fault string) {
		s.NoteBuild(control.BuildReport{Plugin: plugin, Error: fault, Messages: make([]control.BuildMessage, 2*mostMessages)})
	}
	shows := func(want string) {
		t.Helper()
		var got []string
		for _, b := range s.failedBuildsLocked() {
			got = append(got, b.Plugin+" "+b.Error)
			if len(b.Messages) != mostMessages || b.Time.IsZero() {
				t.Errorf("%d messages, %v", len(b.Messages), b.Time)
			}
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("shows %s, want %s", got, want)
		}
	}
	note("b", "no")
	note("a", "never")
	shows("a never, b no")
	note("b", "still no")
	shows("a never, b still no")
	note("a", "")
	shows("b still no")
	for i := range 2 * mostBuilds {
		note(strings.Repeat("x", i+1), "no")
	}
	if n := len(s.failedBuildsLocked()); n != mostBuilds {
		t.Errorf("%d builds are kept", n)
	}
}
