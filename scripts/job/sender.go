package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/sohost/sohost/internal/program"
)

// target is where points are sent to, and the tables that they reach.
type target struct {
	table string // what the points are of
	url   string
	as    []string // the tables that they come as; nil for table
}

// sender writes points and keeps the sums.
type sender struct {
	done sync.WaitGroup

	mu    sync.Mutex // guards what follows
	sums  map[string]total
	tries int
	err   error
}

// total is what a series has.
type total struct{ points, sum int64 }

func (t total) plus(u total) total { return total{t.points + u.points, t.sum + u.sum} }

const (
	hosts    = 4
	pace     = 20 * time.Millisecond // between two requests of a host
	perWrite = 10                    // points in a request
)

// startSender sends until ctx ends, one request after the other for each host. A request that isn't answered with 204 is
// sent again, as Telegraf does.
func startSender(ctx context.Context, t target) *sender {
	s := &sender{sums: map[string]total{}}
	for host := range hosts {
		s.done.Go(func() {
			for ctx.Err() == nil && s.failed() == nil {
				s.write(t, fmt.Sprintf("web%d", host))
				wait(ctx, time.Now().Add(pace))
			}
		})
	}
	return s
}

// write sends some points, until they are accepted or a minute is over.
func (s *sender) write(t target, host string) {
	var body strings.Builder
	var of total
	now := time.Now().UnixNano()
	for i := range perWrite {
		busy := rand.Int64N(1000)
		fmt.Fprintf(&body, "%s,cpu=cpu0,host=%s busy=%di,load=%.2f %d\n", t.table, host, busy, rand.Float64(), now+int64(i))
		of = of.plus(total{1, busy})
	}
	err := fmt.Errorf("not sent")
	for end := time.Now().Add(time.Minute); err != nil && time.Now().Before(end); {
		if err = program.Write(t.url, []byte(body.String())); err != nil {
			s.mu.Lock()
			s.tries++
			s.mu.Unlock()
			time.Sleep(pace) // as a client does
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.err = err
		return
	}
	tables := t.as
	if tables == nil {
		tables = []string{t.table}
	}
	for _, table := range tables {
		s.sums[table] = s.sums[table].plus(of)
	}
}

func (s *sender) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *sender) wait() error {
	s.done.Wait()
	return s.failed()
}
