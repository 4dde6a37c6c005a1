package worker

import (
	"bufio"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/passing"
	"github.com/sohost/sohost/internal/server/certstest"
	"github.com/sohost/sohost/internal/server/listener"
	"golang.org/x/sys/unix"
)

// TestInherit takes connections by the names of their sockets, and none that the socket of that name couldn't serve.
func TestInherit(t *testing.T) {
	pair := certstest.New(t, time.Hour)
	var all listeners
	for _, s := range []listener.Settings{{Name: listener.Plain}, {Name: "secure", Pair: &pair}} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, s.Name) })
		server, err := listener.New(l, s, listener.Limits{}, h, log.New(io.Discard, "", 0))
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- server.Inherit() }()
		t.Cleanup(func() {
			server.Close()
			server.StopAccepting()
			<-done
		})
		all = append(all, server)
	}
	for _, test := range []struct {
		passed passed
		by     string // who serves it
		err    string
	}{
		{passed{}, "http", ""}, // from a program that knows only one
		{passed{Listener: "http"}, "http", ""},
		{passed{Listener: "secure", Secure: true}, "secure", ""},
		{passed{Listener: "gone"}, "", "there is no listener gone any more"},
		{passed{Listener: "secure"}, "", "the listener secure has other settings now"},
		{passed{Listener: "http", Secure: true}, "", "the listener http has other settings now"},
	} {
		mine, theirs, err := passing.Pair()
		if err != nil {
			t.Fatal(err)
		}
		err = all.inherit(test.passed, theirs)
		theirs.Close()
		if text := ""; err != nil {
			if text = err.Error(); text != test.err {
				t.Errorf("%+v: %v, want %s", test.passed, err, test.err)
			}
			mine.Close()
			continue
		}
		c, err := net.FileConn(mine)
		mine.Close()
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(patience))
		if test.by == "secure" {
			c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
		}
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if b, err := io.ReadAll(c); err != nil || !strings.HasSuffix(string(b), test.by) || test.by == "" {
			t.Errorf("%+v: %q, %v", test.passed, b, err)
		}
		c.Close()
	}
}

// more returns the files that a worker gets for calls and for another socket, and that socket's address.
func (p *place) more() (files []*os.File, address string) {
	p.t.Helper()
	calls, err := passing.MemoryFile("calls")
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { calls.Close() })
	if p.other == nil {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			p.t.Fatal(err)
		}
		p.t.Cleanup(func() { l.Close() })
		p.other = l.(*net.TCPListener)
	}
	socket, err := p.other.File()
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { socket.Close() })
	return []*os.File{calls, socket}, p.other.Addr().String()
}

// TestLinger hands over with requests that go on, on a socket whose connections move and on one whose connections stay. The old worker
// keeps them beyond the time that it has when the server stops, says how many, and ends early when it is told to hurry.
func TestLinger(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	certificate := certstest.New(t, time.Hour)
	set := func(s *Start) {
		s.ShutdownTimeout, s.Linger = 50*time.Millisecond, time.Hour
		s.Listeners = []listener.Settings{{Name: listener.Plain}, {Name: "secure", Pair: &certificate}}
	}
	files, address := p.more()
	giver := p.start(func(s *Start) { s.Takes = false; set(s) }, files...)
	giver.serving()

	clear := dial(t, p)
	secure, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer secure.Close()
	secure.SetDeadline(time.Now().Add(patience))
	slow := &client{secure, bufio.NewReader(secure)}
	slow.get(t, "/before")
	idle, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	quiet := &client{idle, bufio.NewReader(idle)}
	quiet.get(t, "/before")
	for _, c := range []*client{clear, slow} {
		io.WriteString(c, "GET /slow HTTP/1.1\r\nHost: example.com\r\n")
	}
	quiet.get(t, "/again") // what the others have sent was read by now, as far as that can be known

	states, theirStates := pair(t)
	connections, theirConnections := pair(t)
	files, _ = p.more()
	taker := p.start(set, append([]*os.File{theirStates, theirConnections}, files...)...)
	giver.order(Order{Give: &Give{Why: "a test"}}, states, connections)
	for _, f := range []*os.File{states, connections, theirStates, theirConnections} {
		f.Close()
	}
	if w := receive(t, giver.words, "word"); w.Given == nil || w.Given.Error != "" {
		t.Fatalf("the giver says %+v", w.Given)
	}
	taker.serving()
	quiet.SetDeadline(time.Now().Add(patience))
	if b, err := io.ReadAll(quiet.r); err != nil || len(b) > 0 { // after the shutdown timeout
		t.Errorf("an idle connection of TLS gets %q, %v", b, err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) { // it may not have noticed yet
		giver.order(Order{Ping: 1})
		receive(t, giver.pongs, "pong")
		left := giver.left.Load()
		if left != nil && left.Connections == 2 {
			break
		}
		if left == nil || time.Now().After(deadline) {
			t.Fatalf("the giver has %+v left, want 2 connections", left)
		}
	}
	io.WriteString(slow, "\r\n")
	resp, err := http.ReadResponse(slow.r, nil)
	if err != nil || resp.StatusCode != http.StatusNotFound || !resp.Close {
		t.Errorf("a request that was answered after the shutdown timeout: %+v, %v", resp, err)
	}
	giver.order(Order{Hurry: true})
	giver.ends(0)
	if _, err := clear.r.ReadByte(); err == nil {
		t.Error("the last connection of an old worker that has ended is open")
	}
	taker.order(Order{Finish: true})
	taker.ends(0)
}

// TestLingerIdle hands over twice, while something still comes to the second worker from the first. That worker closes connections
// without a request after its shutdown timeout all the same.
func TestLingerIdle(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	certificate := certstest.New(t, time.Hour)
	set := func(s *Start) {
		s.ShutdownTimeout, s.Linger = 50*time.Millisecond, time.Hour
		s.Listeners = []listener.Settings{{Name: listener.Plain}, {Name: "secure", Pair: &certificate}}
	}
	files, address := p.more()
	giver := p.start(func(s *Start) { s.Takes = false; set(s) }, files...)
	giver.serving()
	// hand hands over, and returns the taker and the giver's end of what connections are passed by.
	hand := func(giver *child) (taker *child, end *os.File) {
		t.Helper()
		states, theirStates := pair(t)
		connections, theirConnections := pair(t)
		files, _ := p.more()
		taker = p.start(set, append([]*os.File{theirStates, theirConnections}, files...)...)
		giver.order(Order{Give: &Give{Why: "a test"}}, states, connections)
		for _, f := range []*os.File{states, theirStates, theirConnections} {
			f.Close()
		}
		if w := receive(t, giver.words, "word"); w.Given == nil || w.Given.Error != "" {
			t.Fatalf("the giver says %+v", w.Given)
		}
		taker.serving()
		return taker, connections
	}
	second, open := hand(giver)
	giver.ends(0)
	idle, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	idle.SetDeadline(time.Now().Add(patience))
	quiet := &client{idle, bufio.NewReader(idle)}
	quiet.get(t, "/before")
	third, end := hand(second)
	end.Close()
	if b, err := io.ReadAll(quiet.r); err != nil || len(b) > 0 {
		t.Errorf("an idle connection of TLS gets %q, %v", b, err)
	}
	open.Close()
	second.ends(0)
	third.order(Order{Finish: true})
	third.ends(0)
}

// TestCloseListener hands over to a worker that has one listener less. Until its socket is shut, the old worker answers there, even if it
// has nothing else to do.
func TestCloseListener(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	files, address := p.more()
	giver := p.start(func(s *Start) {
		s.Takes = false
		s.Listeners = []listener.Settings{{Name: listener.Plain}, {Name: "other"}}
	}, files...)
	giver.serving()
	states, theirStates := pair(t)
	connections, theirConnections := pair(t)
	files, _ = p.more()
	taker := p.start(nil, theirStates, theirConnections, files[0])
	giver.order(Order{Give: &Give{Why: "a test", Close: []string{"other"}}}, states, connections)
	for _, f := range []*os.File{states, connections, theirStates, theirConnections} {
		f.Close()
	}
	if w := receive(t, giver.words, "word"); w.Given == nil || w.Given.Error != "" {
		t.Fatalf("the giver says %+v", w.Given)
	}
	taker.serving()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	for range 50 { // it would end in this time
		resp, err := client.Get("http://" + address + "/x")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	raw, err := p.other.SyscallConn()
	if err == nil {
		raw.Control(func(fd uintptr) { err = unix.Shutdown(int(fd), unix.SHUT_RD) })
	}
	if err != nil {
		t.Fatal(err)
	}
	giver.ends(0)
	taker.order(Order{Finish: true})
	taker.ends(0)
}

// TestNewPair has a worker that serves use another certificate.
func TestNewPair(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	first, second := certstest.New(t, time.Hour), certstest.New(t, time.Hour)
	files, address := p.more()
	c := p.start(func(s *Start) {
		s.Takes = false
		s.Listeners = []listener.Settings{{Name: listener.Plain}, {Name: "secure", Pair: &first}}
	}, files...)
	c.serving()
	c.order(Order{Pair: &NewPair{Listener: "nobody", Pair: second}})
	c.order(Order{Pair: &NewPair{Listener: "secure", Pair: second}})
	c.order(Order{Ping: 1})
	receive(t, c.pongs, "pong")
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	want, err := second.Load()
	if err != nil || !conn.ConnectionState().PeerCertificates[0].Equal(want.Leaf) {
		t.Errorf("the server has another certificate, %v", err)
	}
	c.order(Order{Finish: true})
	c.ends(0)
}
