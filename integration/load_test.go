package integration

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// load keeps a number of connections busy, each sending the next request as soon as the last was answered, and remembers
// every answer. No request is sent twice.
type load struct {
	stop    context.CancelFunc
	done    sync.WaitGroup
	mu      sync.Mutex // guards what follows
	bodies  []string
	seen    map[string]int // answers by generation
	errs    []error
	longest time.Duration // that a request took
	rounds  []int         // requests of each client that have ended
	woken   chan struct{} // closed and replaced when a request has ended
}

// steady is the pause of a client between an answer and the next request, where the test is not about load: the machine has
// images to build meanwhile.
var steady = flag.Duration("pause", 10*time.Millisecond, "pause of each client of a steady load")

// startLoad sends requests until stop is called. Every client has one connection, and pauses after each answer.
func startLoad(clients int, pause time.Duration, request func() (*http.Request, error)) *load {
	ctx, stop := context.WithCancel(context.Background())
	l := &load{stop: stop, seen: map[string]int{}, rounds: make([]int, clients), woken: make(chan struct{})}
	for i := range clients {
		l.done.Go(func() {
			client := &http.Client{Transport: new(wire)}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil { // a request that was begun is always finished
				begin := time.Now()
				body, generation, err := send(client, request)
				l.mu.Lock()
				l.longest = max(l.longest, time.Since(begin))
				l.rounds[i]++
				close(l.woken)
				l.woken = make(chan struct{})
				if err != nil {
					l.errs = append(l.errs, err)
				} else {
					l.bodies = append(l.bodies, body)
					l.seen[generation]++
				}
				l.mu.Unlock()
				time.Sleep(pause)
			}
		})
	}
	return l
}

func send(client *http.Client, request func() (*http.Request, error)) (body, generation string, err error) {
	req, err := request()
	if err != nil {
		return "", "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", "", fmt.Errorf("%s: %s", resp.Status, b)
	}
	return strings.TrimSpace(string(b)), resp.Header.Get("Sohost-Generation"), nil
}

// soFar returns how many requests were answered and how many failed, and the longest that one took since the last call.
func (l *load) soFar() (answered, failed int, longest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	longest, l.longest = l.longest, 0
	return len(l.bodies), len(l.errs), longest
}

// round waits until every request that has begun before it has ended, and every client has sent another.
func (l *load) round(t testing.TB) {
	t.Helper()
	timeout := time.After(patience)
	var from []int
	for {
		l.mu.Lock()
		woken, now := l.woken, slices.Clone(l.rounds)
		l.mu.Unlock()
		if from == nil {
			from = now
		}
		missing := 0
		for i := range now {
			if now[i] < from[i]+2 {
				missing++
			}
		}
		if missing == 0 {
			return
		}
		select {
		case <-woken:
		case <-timeout:
			t.Fatalf("%d of %d clients have had no answer within %v: they had %v and have %v", missing, len(now), patience, from, now)
		}
	}
}

// end stops the load, fails the test for every failed request, and returns the answers.
func (l *load) end(t testing.TB) []string {
	t.Helper()
	l.stop()
	l.done.Wait()
	for i, err := range l.errs {
		if i == 5 {
			t.Errorf("… and %d more", len(l.errs)-i)
			break
		}
		t.Errorf("request failed: %v", err)
	}
	t.Logf("%d requests answered, %d failed, by %d generations", len(l.bodies), len(l.errs), len(l.seen))
	return l.bodies
}

func get(url string) func() (*http.Request, error) {
	return func() (*http.Request, error) { return http.NewRequest(http.MethodGet, url, nil) }
}

func post(url, text string) func() (*http.Request, error) {
	return func() (*http.Request, error) { return http.NewRequest(http.MethodPost, url, strings.NewReader(text)) }
}
