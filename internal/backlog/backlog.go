// Package backlog keeps writes that were acknowledged until no trigger needs them any more: on disk, where they survive any death of the
// process, and the newest in memory as well, so that triggers that keep up read no file.
package backlog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/lineprotocol"
	"github.com/sohost/sohost/internal/spool"
	"github.com/sohost/sohost/internal/triggers"
)

// Options configure a Log.
type Options struct {
	Dir    string
	Limit  int64 // bytes on disk, over which Append returns an error. Default: DefaultLimit
	Window int64 // bytes of line protocol whose tables are kept in memory. Default: 16 MiB

	// Reserve is how many bytes of Limit only what plugins emit can have. Without it, once clients have filled the backlog, a plugin
	// that has to emit something could handle none of it, and nothing would be released. Default: 0.
	Reserve int64

	Logger *slog.Logger
}

// DefaultLimit is how many bytes a backlog has on disk at most.
const DefaultLimit = 1 << 30

const defaultWindow = 16 << 20

// Write is what is to be acknowledged. The text is that of the tables.
type Write struct {
	Emitted   bool // by a plugin
	Database  string
	Precision lineprotocol.Precision
	Received  time.Time
	Text      []byte
	Tables    []abi.Table
}

// Log is a backlog. Its methods may be called from any goroutine.
type Log struct {
	opts  Options
	spool *spool.Log

	mu      sync.Mutex // guards the rest
	last    uint64     // the number of the last write
	window  []*entry   // the newest writes, in their order
	size    int64      // of their records
	evicted uint64     // writes up to that number are on disk only
	changed chan struct{}
	closed  bool
}

// entry is a write in memory.
type entry struct {
	triggers.Acknowledged
	size    int64
	settled bool // it is on disk, or lost
	lost    bool
}

// Open opens a backlog, and makes it if it isn't there. Close must be called.
func Open(o Options) (*Log, error) {
	if o.Limit <= 0 {
		o.Limit = DefaultLimit
	}
	if o.Window <= 0 {
		o.Window = defaultWindow
	}
	s, err := spool.Open(spool.Options{Dir: o.Dir, Limit: o.Limit, Segment: min(8<<20, o.Limit/16)})
	if err != nil {
		return nil, fmt.Errorf("open the backlog of writes: %w", err)
	}
	begin := s.Start() - 1
	return &Log{opts: o, spool: s, last: begin, evicted: begin, changed: make(chan struct{})}, nil
}

// Append adds a write and waits until it is on disk. Many that come at the same time get there together. After an error nothing of it is
// kept.
func (l *Log) Append(w Write) error {
	head := headOf(w)
	record := int64(len(head) + len(w.Text))
	l.mu.Lock()
	if size := l.spool.Size() + record; !w.Emitted && l.opts.Reserve > 0 && size > l.opts.Limit-l.opts.Reserve {
		l.mu.Unlock()
		return fmt.Errorf("%w: of %d bytes, %d are for what plugins emit", spool.ErrFull, l.opts.Limit, l.opts.Reserve)
	}
	n, onDisk, err := l.spool.Append(head, w.Text)
	if err != nil {
		l.mu.Unlock()
		return err
	}
	e := &entry{Acknowledged: triggers.Acknowledged{Seq: n, Database: w.Database, Received: w.Received, Tables: w.Tables}, size: record}
	l.last = n
	l.window, l.size = append(l.window, e), l.size+e.size
	l.mu.Unlock()
	err = <-onDisk
	l.mu.Lock()
	defer l.mu.Unlock()
	e.settled, e.lost = true, err != nil
	l.evictLocked(0)
	l.tellLocked()
	return err
}

// evictLocked takes writes up to a number out of the memory, and more if they are too many.
func (l *Log) evictLocked(upTo uint64) {
	n := 0
	for ; n < len(l.window) && l.window[n].settled && (l.window[n].Seq <= upTo || l.size > l.opts.Window); n++ {
		l.size -= l.window[n].size
		l.evicted = l.window[n].Seq
	}
	clear(l.window[:n])
	l.window = l.window[n:] // to move the rest each time would take longer than the write
}

// tellLocked wakes the readers.
func (l *Log) tellLocked() {
	if !l.closed {
		close(l.changed)
		l.changed = make(chan struct{})
	}
}

// End implements triggers.Backlog.
func (l *Log) End() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Release implements triggers.Backlog.
func (l *Log) Release(upTo uint64) error {
	l.mu.Lock()
	l.evictLocked(upTo)
	l.mu.Unlock()
	if err := l.spool.Release(upTo + 1); !errors.Is(err, spool.ErrClosed) {
		return err
	}
	return nil
}

// Crowded reports whether more than half of the room on disk is taken.
func (l *Log) Crowded() bool { return l.spool.Size() > l.opts.Limit/2 }

// Close ends it, once what is being appended is on disk.
func (l *Log) Close() error {
	err := l.spool.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.changed)
	}
	return err
}

// Status describes a backlog.
type Status struct {
	Bytes  int64     `json:"bytes"` // on disk
	Limit  int64     `json:"limit"`
	Oldest time.Time `json:"oldest,omitzero"` // when the first write was received that is still on disk
}

// Status returns the state at the moment.
func (l *Log) Status() Status {
	s := Status{Bytes: l.spool.Size(), Limit: l.opts.Limit}
	r := l.spool.NewReader(0)
	defer r.Close()
	now, cancel := context.WithCancel(context.Background())
	cancel()
	if _, record, err := r.Next(now); err == nil {
		if w, err := decode(record); err == nil {
			s.Oldest = w.Received
		}
	}
	return s
}

// A record has a head, which is the format, when the write was received, its precision and the name of the database, and the text.
const (
	format   = 1
	headSize = 1 + 8 + 8 + 4
)

func headOf(w Write) []byte {
	b := make([]byte, headSize, headSize+len(w.Database))
	b[0] = format
	binary.LittleEndian.PutUint64(b[1:], uint64(w.Received.UnixNano()))
	binary.LittleEndian.PutUint64(b[9:], uint64(w.Precision))
	binary.LittleEndian.PutUint32(b[17:], uint32(len(w.Database)))
	return append(b, w.Database...)
}

// decode returns a write without its tables.
func decode(record []byte) (w Write, err error) {
	if len(record) < headSize || record[0] != format {
		return w, errors.New("it is no write that this version knows")
	}
	w.Received = time.Unix(0, int64(binary.LittleEndian.Uint64(record[1:])))
	w.Precision = lineprotocol.Precision(binary.LittleEndian.Uint64(record[9:]))
	rest, name := record[headSize:], binary.LittleEndian.Uint32(record[17:])
	if uint64(name) > uint64(len(rest)) {
		return w, errors.New("it is cut off")
	}
	w.Database, w.Text = string(rest[:name]), rest[name:]
	return w, nil
}
