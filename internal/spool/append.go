package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"syscall"

	"github.com/sohost/sohost/internal/buffers"
	"github.com/sohost/sohost/internal/fault"
)

// A record is its length and a checksum of length and payload, each of 4 bytes, and the payload.
const (
	headSize  = 8
	maxRecord = 256 << 20
)

// castagnoli returns the table of the checksum. To make it takes 0.2 ms, which a process that needs none doesn't wait for.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// encode writes a record to a buffer. Its payload has several parts.
func encode(b *bytes.Buffer, parts ...[]byte) {
	b.Write(make([]byte, headSize))
	for _, part := range parts {
		b.Write(part)
	}
	record := b.Bytes()
	binary.LittleEndian.PutUint32(record, uint32(len(record)-headSize))
	binary.LittleEndian.PutUint32(record[4:], checksum(record))
}

// checksum returns that of an encoded record.
func checksum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:4], castagnoli()), castagnoli(), b[headSize:])
}

// Append adds a record, whose payload is all parts, and returns its number. onDisk gets nil once it is on disk, or an error if it isn't and
// never will be. Many records that are appended at the same time get there together. With an error of Append itself, such as one that wraps
// ErrFull, nothing was added.
func (l *Log) Append(parts ...[]byte) (n uint64, onDisk <-chan error, err error) {
	b := buffers.Get()
	defer buffers.Put(b)
	encode(b, parts...)
	record := b.Bytes()
	if size := len(record) - headSize; size > maxRecord {
		return 0, nil, fmt.Errorf("a record of %d bytes is too large for a spool", size)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return 0, nil, ErrClosed
	case l.size+l.others+int64(len(record)) > l.opts.Limit:
		return 0, nil, fmt.Errorf("%w: it has %d of %d bytes", ErrFull, l.size+l.others, l.opts.Limit)
	}
	if l.file == nil || l.end >= l.opts.Segment {
		if err := l.begin(); err != nil {
			return 0, nil, fmt.Errorf("append to the spool: %w", err)
		}
	}
	if err := l.write(record); err != nil {
		// What was written of it is overwritten by the next record, or it ends the segment for readers.
		l.file.Truncate(l.end)
		return 0, nil, fmt.Errorf("append to the spool: %w", err)
	}
	done := make(chan error, 1)
	l.waiting = append(l.waiting, ticket{l.next, done})
	n = number(l.epoch, l.next)
	l.next++
	l.end += int64(len(record))
	l.size += int64(len(record))
	select {
	case l.dirty <- struct{}{}:
	default:
	}
	return n, done, nil
}

// write writes a record at the end of the segment.
func (l *Log) write(record []byte) error {
	if err := fault.Error("spool", "write"); err != nil {
		l.file.WriteAt(record[:len(record)/2], l.end)
		return err
	}
	_, err := l.file.WriteAt(record, l.end)
	return err
}

// bring brings a segment to the disk. The error is ErrRemoved if the next process wouldn't find it there.
func bring(f *os.File) error {
	if err := fault.Error("spool", "sync"); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if info, err := f.Stat(); err == nil && info.Sys().(*syscall.Stat_t).Nlink == 0 { // not Fd: begin may close the file meanwhile
		return ErrRemoved
	}
	return nil
}

// begin begins a new segment, once all of the last one is on disk. l.mu is held.
func (l *Log) begin() error {
	if l.file != nil {
		err := bring(l.file)
		if l.settle(l.file, l.next, l.end, err); err != nil {
			return err
		}
		l.file.Close()
		l.file = nil
	}
	s := segment{epoch: l.epoch, first: l.next}
	if _, err := os.Stat(l.lock.Name()); errors.Is(err, fs.ErrNotExist) { // perhaps without its directory
		if err := l.restore(); err != nil {
			return err
		}
	}
	// One that is there has no record: nothing but a failed write, after which its sync failed as well.
	f, err := os.OpenFile(s.path(l.opts.Dir), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err := syncDir(epochDir(l.opts.Dir, l.epoch)); err != nil {
		return errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	l.file, l.end, l.kept = f, 0, 0
	return nil
}

// flush brings records to the disk until the log is closed.
func (l *Log) flush() {
	for {
		_, more := <-l.dirty
		l.mu.Lock()
		f, upTo, end := l.file, l.next, l.end
		l.mu.Unlock()
		if f != nil {
			err := bring(f)
			l.mu.Lock()
			l.settle(f, upTo, end, err)
			l.mu.Unlock()
		}
		if !more {
			return
		}
	}
}

// settle notes that the records of a segment before an index, which end at that byte, were synced, or that this has failed. After a failure the kernel may
// have dropped any of the pages, and will report no error again: all that wasn't on disk counts as lost, and the next record
// begins a new segment. l.mu is held.
func (l *Log) settle(f *os.File, upTo uint64, end int64, err error) {
	if f != l.file {
		return // begin has synced it meanwhile
	}
	if err != nil {
		upTo = l.next
		if l.size -= l.end - l.kept; errors.Is(err, ErrRemoved) {
			l.recount()
		}
		f.Truncate(l.kept)
		f.Close()
		l.file = nil
		err = fmt.Errorf("bring the spool to the disk: %w", err)
	} else if end > l.kept {
		l.kept = end
	}
	l.synced = max(l.synced, upTo)
	waiting := l.waiting[:0]
	for _, t := range l.waiting {
		if t.index >= upTo {
			waiting = append(waiting, t)
			continue
		}
		t.done <- err
	}
	clear(l.waiting[len(waiting):])
	l.waiting = waiting
	if !l.closed {
		close(l.changed)
		l.changed = make(chan struct{})
	}
}
