package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	demoClients = 4
	demoPace    = 2 * time.Millisecond // between two requests of a client: the compiler needs the processors, too
	demoSample  = 250 * time.Millisecond
)

// demoLoad is clients that ask a server without a break.
type demoLoad struct {
	url   string
	show  func(loadNow)
	begin time.Time
	quit  chan struct{}
	ended sync.WaitGroup
	once  sync.Once

	mu       sync.Mutex // guards what follows
	took     []time.Duration
	failed   int
	why      error // the first failure
	lapBegan int   // len(took) at the last lap
}

// loadNow is the load at a moment.
type loadNow struct {
	requests, failed int
	rate             float64 // requests per second since the sample before
	longest          time.Duration
}

// startLoad starts the clients, and calls show with each sample.
func startLoad(url string, show func(loadNow)) *demoLoad {
	l := &demoLoad{url: url, show: show, begin: time.Now(), quit: make(chan struct{})}
	for range demoClients {
		l.ended.Go(l.ask)
	}
	l.ended.Go(l.sample)
	return l
}

// stop ends the clients after their last answers. It may be called again.
func (l *demoLoad) stop() {
	l.once.Do(func() { close(l.quit) })
	l.ended.Wait()
}

func (l *demoLoad) ask() {
	for {
		begin := time.Now()
		_, err := demoGet(l.url)
		took := time.Since(begin)
		l.mu.Lock()
		l.took = append(l.took, took)
		if err != nil {
			l.failed++
			if l.why == nil {
				l.why = err
			}
		}
		l.mu.Unlock()
		select {
		case <-l.quit:
			return
		case <-time.After(demoPace):
		}
	}
}

var demoClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: demoClients}, Timeout: time.Minute}

// demoGet returns the body of an answer, and an error unless that is 200.
func demoGet(url string) (string, error) {
	answer, err := demoClient.Get(url)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the server answers %s", answer.Status)
	}
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

func (l *demoLoad) sample() {
	tick := time.NewTicker(demoSample)
	defer tick.Stop()
	before, last, longest := 0, l.begin, time.Duration(0)
	for {
		select {
		case <-l.quit:
			return
		case now := <-tick.C:
			l.mu.Lock()
			requests, failed := len(l.took), l.failed
			longest = max(longest, slices.Max(append(l.took[before:requests:requests], 0)))
			l.mu.Unlock()
			l.show(loadNow{requests, failed, float64(requests-before) / now.Sub(last).Seconds(), longest})
			before, last = requests, now
		}
	}
}

// lap describes what was answered between two moments.
type lap struct {
	requests int
	longest  time.Duration
}

// lap returns what was answered since the last call.
func (l *demoLoad) lap() lap {
	l.mu.Lock()
	defer l.mu.Unlock()
	took := l.took[l.lapBegan:]
	l.lapBegan = len(l.took)
	return lap{len(took), slices.Max(append(slices.Clone(took), 0))}
}

func (l lap) String() string {
	return fmt.Sprintf("%s meanwhile, the longest took %s", count(l.requests, "request"), short(l.longest))
}

// report fills in what has become of the requests. The clients must have ended.
func (l *demoLoad) report(r *demoReport) {
	slices.Sort(l.took)
	r.Requests, r.Failed, r.Took = len(l.took), l.failed, time.Since(l.begin)
	r.Longest, r.Median, r.P99 = l.took[len(l.took)-1], l.took[len(l.took)/2], l.took[len(l.took)*99/100]
	if l.why != nil {
		r.Why = l.why.Error()
	}
}
