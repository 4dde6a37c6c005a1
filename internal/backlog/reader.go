package backlog

import (
	"context"
	"slices"

	"github.com/sohost/sohost/internal/lineprotocol"
	"github.com/sohost/sohost/internal/spool"
	"github.com/sohost/sohost/internal/triggers"
)

// reader reads a Log: from memory what is there, and from disk what isn't any more.
type reader struct {
	log  *Log
	next uint64 // the least number of the next write
	disk *spool.Reader
}

// Read implements triggers.Backlog.
func (l *Log) Read(after uint64) triggers.BacklogReader { return &reader{log: l, next: after + 1} }

// Close implements triggers.BacklogReader.
func (r *reader) Close() error {
	if r.disk == nil {
		return nil
	}
	err := r.disk.Close()
	r.disk = nil
	return err
}

// Next implements triggers.BacklogReader.
func (r *reader) Next(ctx context.Context) (triggers.Acknowledged, error) {
	for {
		e, onDisk, changed, err := r.log.look(r.next)
		switch {
		case err != nil:
			return triggers.Acknowledged{}, err
		case onDisk:
			w, ok, err := r.fromDisk(ctx)
			if ok || err != nil {
				return w, err
			}
			continue
		case e != nil:
			r.Close()
			r.next = e.Seq + 1
			if e.lost {
				continue
			}
			return e.Acknowledged, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return triggers.Acknowledged{}, context.Cause(ctx)
		}
	}
}

// look returns the first write from a number on if it is in memory, or where else it is. If there is none yet, the channel is closed when
// there may be.
func (l *Log) look(from uint64) (e *entry, onDisk bool, changed <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, false, nil, spool.ErrClosed
	}
	if from <= l.evicted {
		return nil, true, nil, nil
	}
	i, _ := slices.BinarySearchFunc(l.window, from, func(e *entry, n uint64) int {
		if e.Seq < n {
			return -1
		}
		return 1
	})
	if i < len(l.window) && l.window[i].settled {
		return l.window[i], false, nil, nil
	}
	return nil, false, l.changed, nil
}

// fromDisk reads the next write that is on disk. It returns false for one that is damaged, which is lost.
func (r *reader) fromDisk(ctx context.Context) (a triggers.Acknowledged, ok bool, err error) {
	if r.disk == nil {
		r.disk = r.log.spool.NewReader(r.next)
	}
	n, record, err := r.disk.Next(ctx)
	if err != nil {
		return a, false, err
	}
	r.next = n + 1
	w, err := decode(record)
	if err != nil {
		r.log.opts.Logger.Error("an acknowledged write is lost", "number", n, "err", err)
		return a, false, nil
	}
	p := lineprotocol.Parse(w.Text, lineprotocol.Options{Precision: w.Precision, Now: w.Received})
	return triggers.Acknowledged{Seq: n, Database: w.Database, Received: w.Received, Tables: p.Tables}, true, nil
}
