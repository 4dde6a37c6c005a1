package events

import (
	"sync"

	"github.com/sohost/sohost/generations"
)

// maxQueued is how many events a Queue holds. A reload has about ten.
const maxQueued = 1024

// Queue takes events from those who must not wait, and gives them to one who sends them on.
type Queue struct {
	mu     sync.Mutex // guards what follows
	queued []generations.Event
	lost   uint64
	closed bool

	some chan struct{} // has an element if there is something to take
}

// Batch is what was put since the last one.
type Batch struct {
	Events []generations.Event `json:"events,omitempty"`
	Lost   uint64              `json:"lost,omitempty"` // how many there were after these
}

// NewQueue returns an empty Queue.
func NewQueue() *Queue { return &Queue{some: make(chan struct{}, 1)} }

// Put adds an event, or counts it as lost if the Queue is full. It never blocks.
func (q *Queue) Put(e generations.Event) {
	q.mu.Lock()
	if len(q.queued) < maxQueued && !q.closed {
		q.queued = append(q.queued, e)
	} else {
		q.lost++
	}
	q.mu.Unlock()
	q.wake()
}

func (q *Queue) wake() {
	select {
	case q.some <- struct{}{}:
	default:
	}
}

// Close lets Take return what is left, and then nothing more.
func (q *Queue) Close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.wake()
}

// Take waits for events and returns them all. ok is unset once the Queue is closed and empty. One goroutine may call it.
func (q *Queue) Take() (b Batch, ok bool) {
	for range q.some {
		q.mu.Lock()
		b = Batch{q.queued, q.lost}
		q.queued, q.lost = nil, 0
		closed := q.closed
		q.mu.Unlock()
		if closed {
			q.wake() // for the next call
		}
		if len(b.Events) > 0 || b.Lost > 0 {
			return b, true
		}
		if closed {
			return b, false
		}
	}
	return b, false
}
