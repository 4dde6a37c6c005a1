package conns

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// hops is how many times TestLoad moves all connections.
const hops = 200

// tally counts the requests that handlers have seen, or that clients got answers to.
type tally struct{ requests, sum atomic.Int64 }

func (t *tally) add(n int) {
	t.requests.Add(1)
	t.sum.Add(int64(n))
}

// load holds what all clients of TestLoad share.
type load struct {
	stop     atomic.Bool
	answered tally
	ended    atomic.Int64 // connections of transports that a server closed
}

// TestLoad moves the connections of clients of many kinds from one server to the next, again and again, while they send
// requests as fast as they can. Each connection must last to the end, and each request must be served once.
func TestLoad(t *testing.T) {
	var served tally
	large := strings.Repeat("0123456789abcdef", 1<<11)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read body: %v", err)
		}
		number := string(body)
		if r.Method != http.MethodPost {
			number = r.URL.Query().Get("n")
		}
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		served.add(n)
		if r.URL.Path == "/large" {
			io.WriteString(w, large)
			return
		}
		io.WriteString(w, number)
	})
	kinds := map[string]func(*load, *client){
		"whole":     each(func(c *client, s string) bool { c.send(post(s)); return c.expect("POST", "", s) }),
		"bytes":     each(bytewise),
		"chunked":   each(func(c *client, s string) bool { c.send(chunked(s[:1], s[1:])); return c.expect("POST", "", s) }),
		"HEAD":      each(head),
		"continue":  each(expectContinue),
		"large":     each(func(c *client, s string) bool { c.send(get("/large?n=" + s)); return c.expect("GET", "", large) }),
		"early":     early,
		"pipelined": pipelined,
	}

	listeners := []net.Listener{listen(t, "tcp"), listen(t, "unix")}
	giver := start(t, "0", options{listen: listeners, handler: handler})
	var l load
	var clients sync.WaitGroup
	n := 0
	for _, listener := range listeners {
		for _, run := range kinds {
			c := dial(t, listener.Addr())
			clients.Go(func() { run(&l, c) })
			n++
		}
		clients.Go(func() { transport(t, &l, listener.Addr()) })
		n++
	}
	eventually(t, func() bool { return giver.set.Len() == n })

	for i := range hops {
		if t.Failed() {
			break
		}
		taker := start(t, fmt.Sprint(i+1), options{handler: handler})
		giver.set.Move(taker.to())
		giver.wait(t)
		giver = taker
	}
	l.stop.Store(true)
	clients.Wait()
	if got := l.ended.Load(); got != 0 {
		t.Errorf("servers closed %d connections of transports", got)
	}
	if s, a := served.requests.Load(), l.answered.requests.Load(); s != a {
		t.Errorf("%d requests were served, %d answered", s, a)
	}
	if s, a := served.sum.Load(), l.answered.sum.Load(); s != a {
		t.Errorf("the sum of what was served is %d, of what was answered %d", s, a)
	}
	t.Logf("%d requests, %d moves of %d connections", l.answered.requests.Load(), hops, n)
}

// each returns a client that repeats once, which sends a single request, with numbers of at least two digits.
func each(once func(c *client, number string) bool) func(*load, *client) {
	return func(l *load, c *client) {
		for i := 10; !l.stop.Load(); i++ {
			if !once(c, fmt.Sprint(i)) {
				return
			}
			l.answered.add(i)
		}
	}
}

// bytewise sends each byte separately: the first as soon as the previous response is there, and some after a pause.
func bytewise(c *client, s string) bool {
	for i, b := range []byte(post(s)) {
		c.send(string(b))
		if i%8 == 0 {
			time.Sleep(100 * time.Microsecond)
		}
	}
	return c.expect("POST", "", s)
}

func head(c *client, s string) bool {
	c.send(strings.Replace(get("/?n="+s), "GET", "HEAD", 1))
	return c.expect("HEAD", "", "")
}

func expectContinue(c *client, s string) bool {
	header := strings.TrimSuffix(post(s), s)
	c.send(strings.Replace(header, "\r\n", "\r\nExpect: 100-continue\r\n", 1))
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil || resp.StatusCode != http.StatusContinue {
		c.t.Errorf("got %v, %v, want status 100", resp, err)
		return false
	}
	c.send(s)
	return c.expect("POST", "", s)
}

// early sends the first byte of a request before it has the previous response. It skips every fourth request, or the connection
// could never move.
func early(l *load, c *client) {
	sent := 0
	for i := 10; !l.stop.Load() || sent > 0; i++ {
		c.send(post(fmt.Sprint(i))[sent:])
		sent = 0
		if i%4 != 0 {
			c.send("P")
			sent = 1
		}
		if !c.expect("POST", "", fmt.Sprint(i)) {
			return
		}
		l.answered.add(i)
	}
}

// pipelined sends a request and a growing part of another, and the rest when it has the first response.
func pipelined(l *load, c *client) {
	for i := 10; !l.stop.Load(); i += 2 {
		first, second := fmt.Sprint(i), fmt.Sprint(i+1)
		part := i / 2 % len(post(second))
		c.send(post(first) + post(second)[:part])
		if !c.expect("POST", "", first) {
			return
		}
		l.answered.add(i)
		c.send(post(second)[part:])
		if !c.expect("POST", "", second) {
			return
		}
		l.answered.add(i + 1)
	}
}

// transport is a client of package net/http. It tries again only where it has not read the body yet, on a connection that a server
// closed; that must not happen. It may dial again on its own, as it doesn't wait for long to reuse a connection.
func transport(t *testing.T, l *load, addr net.Addr) {
	tr := &http.Transport{MaxConnsPerHost: 1, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		nc, err := d.DialContext(ctx, addr.Network(), addr.String())
		return observed{nc, &l.ended}, err
	}}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr, Timeout: limit}
	for i := 10; !l.stop.Load(); i++ {
		s := fmt.Sprint(i)
		resp, err := client.Post("http://h/", "text/plain", io.MultiReader(strings.NewReader(s)))
		if err != nil {
			t.Error(err)
			return
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(got) != s || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, s)
			return
		}
		l.answered.add(i)
	}
}

// observed counts in ended the connections that the other side closed.
type observed struct {
	net.Conn
	ended *atomic.Int64
}

func (o observed) Read(p []byte) (int, error) {
	n, err := o.Conn.Read(p)
	if err == io.EOF {
		o.ended.Add(1)
	}
	return n, err
}
