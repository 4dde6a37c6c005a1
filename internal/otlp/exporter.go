// Package otlp sends spans to a collector by OTLP over HTTP, as the environment variables of OpenTelemetry say. Who has a span to send
// never waits: a bounded queue takes it, or it is counted as lost.
//
// OpenTelemetry's own packages would add 10 MB to the program and 174 packages to what plain images have to share with it.
package otlp

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

const (
	// firstPause is how long nothing follows the first attempt that failed, give or take a half. Each time it is twice as long, up to
	// lastPause; a collector may ask for more, up to longestPause.
	firstPause   = time.Second
	lastPause    = 30 * time.Second
	longestPause = 5 * time.Minute

	// maxBytes is how much the queue holds at most, however many spans that are: reasons of refusals can be long.
	maxBytes = 4 << 20
)

// Exporter sends spans. Its methods may be called from any goroutine.
type Exporter struct {
	settings  *Settings
	version   string
	log       *slog.Logger
	transport *http.Transport
	pause     time.Duration // firstPause
	tasks     sync.WaitGroup

	some   chan struct{} // has an element if there may be something to send
	finish chan struct{} // closed when nothing more is to be waited for
	ctx    context.Context
	end    context.CancelFunc // ends an attempt

	mu     sync.Mutex // guards what follows
	queue  [][]byte   // encoded, the oldest first
	bytes  int        // of the queue
	status Status
}

// Status says how an Exporter does.
type Status struct {
	Endpoint  string    `json:"endpoint,omitempty"` // without what may be secret
	Sent      uint64    `json:"sent"`               // spans that the collector has taken
	Lost      uint64    `json:"lost"`               // spans that it hasn't taken, or that found the queue full
	Waiting   int       `json:"waiting"`            // spans in the queue
	Error     string    `json:"error,omitempty"`    // of the last attempt that failed; absent if a later one has succeeded
	ErrorTime time.Time `json:"error_time,omitzero"`
	Ignored   []string  `json:"ignored,omitempty"` // see Settings
}

// NewExporter returns an Exporter of the program with that version, which sends until it is closed. The error is about files that the settings name.
func NewExporter(s *Settings, version string, log *slog.Logger) (*Exporter, error) {
	transport, err := s.transport()
	if err != nil {
		return nil, err
	}
	x := &Exporter{
		settings: s, version: version, log: log, transport: transport, pause: firstPause,
		some: make(chan struct{}, 1), finish: make(chan struct{}), status: Status{Endpoint: s.Shown(), Ignored: s.Ignored},
	}
	x.ctx, x.end = context.WithCancel(context.Background())
	for _, text := range s.Ignored {
		log.Warn("spans: a variable of the environment is ignored", "why", text)
	}
	x.tasks.Go(x.run)
	return x, nil
}

// Add takes spans, or counts those as lost that the queue has no room for.
func (x *Exporter) Add(spans ...Span) {
	x.mu.Lock()
	for i := range spans {
		text := spans[i].encode()
		if len(x.queue) >= x.settings.Queue || x.bytes+len(text) > maxBytes {
			x.status.Lost++
			continue
		}
		x.queue = append(x.queue, text)
		x.bytes += len(text)
	}
	x.mu.Unlock()
	x.wake()
}

func (x *Exporter) wake() {
	select {
	case x.some <- struct{}{}:
	default:
	}
}

// Status returns how it does.
func (x *Exporter) Status() Status {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.status
	s.Waiting = len(x.queue)
	return s
}

// Close sends what waits, in one attempt for each batch and for so long at most, and ends the Exporter. What isn't sent is returned as
// Restore takes it.
func (x *Exporter) Close(patience time.Duration) (left [][]byte) {
	close(x.finish)
	ended := time.AfterFunc(patience, x.end)
	x.tasks.Wait()
	ended.Stop()
	x.end()
	x.transport.CloseIdleConnections()
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.queue
}

// Restore takes what another program's Close has returned, and its Status. It is called before Add.
func (x *Exporter) Restore(left [][]byte, s Status) {
	x.mu.Lock()
	x.queue = append(left, x.queue...)
	for _, text := range left {
		x.bytes += len(text)
	}
	x.status.Sent, x.status.Lost = x.status.Sent+s.Sent, x.status.Lost+s.Lost
	x.mu.Unlock()
	x.wake()
}

// run sends batches until the Exporter is closed.
func (x *Exporter) run() {
	for {
		select {
		case <-x.some:
		case <-x.finish:
		}
		for x.collect() {
			if !x.deliver() {
				return
			}
		}
		if x.finished() {
			return
		}
	}
}

// collect waits until there is a batch, or until the spans that there are have waited for long enough. It reports false if there are none.
func (x *Exporter) collect() bool {
	delay := time.NewTimer(x.settings.Delay)
	defer delay.Stop()
	for {
		switch n := x.Status().Waiting; {
		case n == 0:
			return false
		case n >= x.settings.Batch, x.finished():
			return true
		}
		select {
		case <-x.some:
		case <-delay.C:
			return true
		case <-x.finish:
		}
	}
}

func (x *Exporter) finished() bool {
	select {
	case <-x.finish:
		return true
	default:
		return false
	}
}

// deliver sends one batch, in as many attempts as it takes. It reports false if it was given up because the Exporter is closed.
func (x *Exporter) deliver() bool {
	x.mu.Lock()
	batch := x.queue[:min(len(x.queue), x.settings.Batch)]
	x.mu.Unlock()
	body := request(x.settings.Resource, x.version, batch)
	for pause := x.pause; ; pause = min(2*pause, lastPause) {
		refused, err := x.post(body)
		var later *tryLater
		if err == nil || !errors.As(err, &later) {
			x.settle(len(batch), refused, err)
			return true
		}
		if x.ctx.Err() != nil { // the collector isn't to blame
			return false
		}
		x.note(err)
		if x.finished() {
			return false
		}
		wait := max(time.Duration(float64(pause)*(0.5+rand.Float64())), min(later.after, longestPause))
		select {
		case <-time.After(wait):
		case <-x.finish: // one last attempt
		}
	}
}

// settle takes a batch off the queue, of which so many spans were not taken, or none if err is set.
func (x *Exporter) settle(n int, refused uint64, err error) {
	if err != nil {
		refused = uint64(n)
		x.note(err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, text := range x.queue[:n] {
		x.bytes -= len(text)
	}
	x.queue = x.queue[n:]
	refused = min(refused, uint64(n))
	x.status.Lost += refused
	x.status.Sent += uint64(n) - refused
	if err == nil && x.status.Error != "" {
		x.log.Info("spans are taken again")
		x.status.Error, x.status.ErrorTime = "", time.Time{}
	}
}

// note notes that an attempt has failed. The first of a row is logged.
func (x *Exporter) note(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.status.Error == "" {
		x.log.Warn("spans are not taken; they wait, and what finds no room is lost", "endpoint", x.status.Endpoint, "err", err)
	}
	x.status.Error, x.status.ErrorTime = err.Error(), time.Now()
}
