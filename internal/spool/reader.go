package spool

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"
)

// Reader reads the records of a Log one after the other. It is for one goroutine.
type Reader struct {
	log  *Log
	next uint64 // the number of the next record

	file    *os.File // the segment that it is in; nil if that is to be found
	segment segment
	index   uint64 // of the record at the offset
	offset  int64
}

// NewReader returns a reader that begins with the record of a number, or with the first one after it that is still there. Its Close must be called.
func (l *Log) NewReader(from uint64) *Reader { return &Reader{log: l, next: from} }

// Close ends the reader.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

// lookAgain is how often a reader looks whether another process still appends to an epoch.
const lookAgain = 10 * time.Millisecond

// Next returns the next record and its number. It waits for one until ctx ends, and then returns ctx's cause, or until the log is closed.
func (r *Reader) Next(ctx context.Context) (n uint64, payload []byte, err error) {
	for {
		state := r.log.state()
		if state.closed {
			return 0, nil, ErrClosed
		}
		epoch, index := parts(r.next)
		switch {
		case number(epoch, index) >= number(r.log.epoch, state.synced):
			err = await(ctx, state.changed, 0)
		case r.file == nil:
			err = r.find(ctx, state)
		default:
			if payload, ok := r.read(); ok {
				if n = number(r.segment.epoch, r.index-1); n >= r.next {
					r.next = n + 1
					return n, payload, nil
				}
				continue // before the first one that is wanted
			}
			r.Close()
			err = r.skip(ctx, state)
		}
		if err != nil {
			return 0, nil, err
		}
	}
}

// await waits for a channel to be closed, or for a time if there is none.
func await(ctx context.Context, changed <-chan struct{}, d time.Duration) error {
	var timer <-chan time.Time
	if changed == nil {
		timer = time.After(d)
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-changed:
	case <-timer:
	}
	return nil
}

// logState is what a reader must know of its log.
type logState struct {
	synced  uint64
	changed <-chan struct{}
	closed  bool
}

func (l *Log) state() logState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return logState{l.synced, l.changed, l.closed}
}

// Turn waits until no other process appends to an earlier epoch any more, or until ctx ends. From then on it is this process that decides what happens to
// the records.
func (l *Log) Turn(ctx context.Context) error {
	for {
		epochs, err := epochsIn(l.opts.Dir)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(epochs, func(e uint64) bool { return e < l.epoch && !l.over(e) }) {
			return nil
		}
		if err := await(ctx, nil, lookAgain); err != nil {
			return err
		}
	}
}

// find opens the segment with the next record, or with the first one after it.
func (r *Reader) find(ctx context.Context, state logState) error {
	segments, err := list(r.log.opts.Dir)
	if err != nil {
		return err
	}
	epoch, _ := parts(r.next)
	for i, s := range segments {
		if s.epoch < epoch || i+1 < len(segments) && number(segments[i+1].epoch, segments[i+1].first) <= r.next {
			continue // all of it is before
		}
		if number(s.epoch, s.first) >= number(r.log.epoch, state.synced) {
			break // nothing of it is on disk
		}
		if s.epoch != r.log.epoch && !r.log.over(s.epoch) {
			return await(ctx, nil, lookAgain)
		}
		return r.open(s)
	}
	return r.rest(ctx, state)
}

// rest goes on with the own epoch when nothing before it is left.
func (r *Reader) rest(ctx context.Context, state logState) error {
	if epoch, _ := parts(r.next); epoch < r.log.epoch {
		for e := epoch; e < r.log.epoch; e++ { // one that has no segment yet, but a writer
			if !r.log.over(e) {
				return await(ctx, nil, lookAgain)
			}
		}
		r.next = number(r.log.epoch, 0)
		return nil
	}
	return await(ctx, state.changed, 0)
}

// open begins to read a segment.
func (r *Reader) open(s segment) error {
	f, err := os.Open(s.path(r.log.opts.Dir))
	if errors.Is(err, fs.ErrNotExist) { // released meanwhile
		return nil
	}
	if err != nil {
		return err
	}
	r.file, r.segment, r.index, r.offset = f, s, s.first, 0
	return nil
}

// read reads the record at the offset. It fails at the end of the segment, which a torn or damaged record is, too.
func (r *Reader) read() (payload []byte, ok bool) {
	head := make([]byte, headSize)
	if _, err := r.file.ReadAt(head, r.offset); err != nil {
		return nil, false
	}
	size := binary.LittleEndian.Uint32(head)
	if size > maxRecord {
		return nil, false
	}
	record := make([]byte, headSize+int(size))
	if _, err := r.file.ReadAt(record, r.offset); err != nil || binary.LittleEndian.Uint32(record[4:]) != checksum(record) {
		return nil, false
	}
	r.index++
	r.offset += int64(len(record))
	return record[headSize:], true
}

// skip goes on behind a segment that has no more records.
func (r *Reader) skip(ctx context.Context, state logState) error {
	segments, err := list(r.log.opts.Dir)
	if err != nil {
		return err
	}
	ended := number(r.segment.epoch, r.segment.first)
	for _, s := range segments {
		if n := number(s.epoch, s.first); n > ended {
			if s.epoch != r.segment.epoch { // all that lies between may still get a writer's segments
				break
			}
			r.next = max(r.next, n)
			return nil
		}
	}
	if r.segment.epoch == r.log.epoch {
		return await(ctx, state.changed, 0) // lost, and none has begun a new segment yet
	}
	r.next = max(r.next, number(r.segment.epoch+1, 0))
	return nil
}
