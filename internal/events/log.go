package events

import (
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/sohost/sohost/generations"
)

const (
	// maxEvents and maxBytes bound what a Log keeps: whichever is reached first.
	maxEvents = 4096
	maxBytes  = 1 << 20
)

// Log has a server's latest events. Its methods may be called from any goroutine, and none of them blocks.
type Log struct {
	epoch string // see ID

	mu      sync.Mutex // guards what follows
	last    uint64     // number of the newest event
	entries []Entry    // the oldest first; numbers may be missing
	bytes   int
	counts  map[Count]uint64
	spent   map[Step]time.Duration
	changed chan struct{} // closed and replaced with each event
}

// Entry is an event as readers get it.
type Entry struct {
	Event
	JSON []byte // must not be changed
}

// Count is what events are counted by.
type Count struct {
	Kind   generations.Kind
	Plugin string
}

// Step is what time is spent in: a phase of what an event tells the end of.
type Step struct {
	Kind  generations.Kind
	Phase string
}

// NewLog returns an empty Log of a server that was started at a time.
func NewLog(started time.Time) *Log {
	return &Log{epoch: fmt.Sprintf("%x", started.UnixMilli()), counts: map[Count]uint64{}, spent: map[Step]time.Duration{}, changed: make(chan struct{})}
}

// Add adds events of a worker, or of the supervisor if worker is 0.
func (l *Log) Add(worker int, all ...generations.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range all {
		l.addLocked(Event{Seq: l.last + 1, Worker: worker, Event: e.Normal()})
	}
	l.wakeLocked()
}

// Lose notes that n events were not told.
func (l *Log) Lose(n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last += n
	l.wakeLocked()
}

func (l *Log) addLocked(e Event) {
	text, err := json.Marshal(e)
	l.last = e.Seq
	if err != nil { // a time beyond the year 9999
		return
	}
	l.entries = append(l.entries, Entry{e, text})
	l.bytes += len(text)
	for len(l.entries) > maxEvents || l.bytes > maxBytes {
		l.bytes -= len(l.entries[0].JSON)
		l.entries[0] = Entry{}
		l.entries = l.entries[1:]
	}
	l.counts[Count{e.Kind, e.Plugin}]++
	if e.Kind == generations.KindReload { // it goes on
		return
	}
	for phase, took := range e.Phases {
		l.spent[Step{e.Kind, phase}] += took
	}
}

func (l *Log) wakeLocked() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// Last returns the number of the newest event; 0 if there was none.
func (l *Log) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Since returns the events after a number, the first of which may be some time after it: missed is how many between them are lost. changed
// is closed when there are more.
func (l *Log) Since(seq uint64) (entries []Entry, missed uint64, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := len(l.entries)
	for first > 0 && l.entries[first-1].Seq > seq {
		first--
	}
	entries = append(entries, l.entries[first:]...) // a copy: the rest of the array is used again
	if l.last > seq {
		missed = l.last - seq - uint64(len(entries))
	}
	return entries, missed, l.changed
}

// Counts returns how many events there were of each kind and plugin since the Log was made.
func (l *Log) Counts() map[Count]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.counts)
}

// Spent returns how long the phases took together of which the events tell, by kind.
func (l *Log) Spent() map[Step]time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.spent)
}
