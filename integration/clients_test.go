package integration

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// clients keep a server busy whose processes are ended, which may cost them requests. Each pauses after an answer, and goes
// on after a failure. The requests of a load must all be answered; these are counted.
type clients struct {
	stop context.CancelFunc
	done sync.WaitGroup

	mu       sync.Mutex // guards what follows
	answered []int      // requests by client
	failures []failure
	gap      time.Duration // the longest between two answers of one client
	woken    chan struct{} // closed and replaced with each answer
}

type failure struct {
	client int
	begun  time.Time // the request
	err    error
}

// client sends one request after the other.
type client struct {
	request func() error
	close   func() // when there are no more
}

func startClients(all ...client) *clients {
	ctx, stop := context.WithCancel(context.Background())
	c := &clients{stop: stop, answered: make([]int, len(all)), woken: make(chan struct{})}
	for i, one := range all {
		c.done.Go(func() {
			defer one.close()
			for last := time.Now(); ctx.Err() == nil; time.Sleep(*steady) {
				begun := time.Now()
				err := one.request()
				c.mu.Lock()
				if err != nil {
					c.failures = append(c.failures, failure{i, begun, err})
				} else {
					c.answered[i]++
					c.gap = max(c.gap, time.Since(last))
					last = time.Now()
					close(c.woken)
					c.woken = make(chan struct{})
				}
				c.mu.Unlock()
			}
		})
	}
	return c
}

// posting returns n clients that post to one URL each, by turns. Each has one connection, and sends every request once.
func posting(n int, urls ...string) (all []client) {
	for i := range n {
		c := &http.Client{Transport: new(wire)}
		all = append(all, client{close: c.CloseIdleConnections, request: func() error {
			_, _, err := send(c, post(urls[i%len(urls)], ""))
			return err
		}})
	}
	return all
}

// getting returns a client that gets a URL and hands each answer on. net/http may send its requests again.
func getting(url string, answer func(body string)) client {
	c := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	return client{close: c.CloseIdleConnections, request: func() error {
		body, _, err := send(c, get(url))
		if err == nil {
			answer(body)
		}
		return err
	}}
}

// inHalves returns a client that sends each request in two halves, so that the old worker has to wait for its end.
func inHalves(address string) client {
	return client{close: func() {}, request: func() error {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET /hello HTTP/1.1\r\nHost: x\r\n"); err != nil {
			return err
		}
		time.Sleep(30 * time.Millisecond) // the pace of this client
		if _, err := io.WriteString(conn, "Connection: close\r\n\r\n"); err != nil {
			return err
		}
		answer, err := io.ReadAll(conn)
		if err == nil && !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
			err = fmt.Errorf("answer %q", answer)
		}
		return err
	}}
}

// await waits until every client has had a number of answers more.
func (c *clients) await(t testing.TB, more int) {
	t.Helper()
	timeout := time.After(patience)
	var from []int
	for {
		c.mu.Lock()
		woken, now, failures := c.woken, slices.Clone(c.answered), slices.Clone(c.failures)
		c.mu.Unlock()
		if from == nil {
			from = now
		}
		missing := 0
		for i := range now {
			if now[i] < from[i]+more {
				missing++
			}
		}
		if missing == 0 {
			return
		}
		select {
		case <-woken:
		case <-timeout:
			t.Fatalf("%d of %d clients have had no %d answers within %v: they had %v and have %v; failures: %+v",
				missing, len(now), more, patience, from, now, failures[max(0, len(failures)-5):])
		}
	}
}

// sent returns the number of requests, answered or not.
func (c *clients) sent() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.failures)
	for _, of := range c.answered {
		n += of
	}
	return n
}

// since returns the errors of requests that were begun after a moment.
func (c *clients) since(moment time.Time) (errs []error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.failures {
		if f.begun.After(moment) {
			errs = append(errs, f.err)
		}
	}
	return errs
}

// end stops the clients.
func (c *clients) end() {
	c.stop()
	c.done.Wait()
}
