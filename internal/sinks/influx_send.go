package sinks

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/sohost/sohost/internal/spool"
)

// batch is what is sent at once.
type batch []chunk

func (b batch) lines() (n int) {
	for _, c := range b {
		n += c.lines
	}
	return n
}

// send sends records until ctx ends. It tries again what can't be read: the process may have no room for another open file just now.
func (s *influx) send(ctx context.Context) {
	defer close(s.ended)
	for {
		err := s.follow(ctx)
		if ctx.Err() != nil {
			return // what isn't stored is sent by the next process
		}
		s.failing(fmt.Errorf("its rows on disk can't be read: %w", err), waitOnDisk)
		select {
		case <-ctx.Done():
			return
		case <-time.After(firstPause):
		}
	}
}

// follow sends records from the first one that isn't stored, until ctx ends or they can't be read. It begins when the process before has let
// go of the spool.
func (s *influx) follow(ctx context.Context) error {
	if err := s.spool.Turn(ctx); err != nil {
		return err
	}
	r := s.spool.NewReader(s.readCursor())
	defer r.Close()
	for {
		b, next, err := s.collect(ctx, r)
		if err != nil {
			return err
		}
		if !s.deliver(ctx, b) {
			return context.Cause(ctx)
		}
		s.writeCursor(next)
	}
}

// collect waits for a record, and takes more until they fill a batch or Flush has passed. next is the number of the record after them.
func (s *influx) collect(ctx context.Context, r *spool.Reader) (b batch, next uint64, err error) {
	n, payload, err := r.Next(ctx)
	if err != nil {
		return nil, 0, err
	}
	flush, cancel := context.WithTimeout(ctx, s.opts.Flush)
	defer cancel()
	size := 0
	for err == nil {
		chunks, damaged := decode(payload)
		if damaged != nil {
			s.log.Error("rows of a sink are lost", "target", s.target.Redacted(), "err", damaged)
		}
		b = append(b, chunks...)
		next = n + 1
		if size += len(payload); size >= s.opts.Batch {
			break
		}
		n, payload, err = r.Next(flush)
	}
	return b, next, nil
}

// The pauses between two attempts grow from the first to the last.
const (
	firstPause = 250 * time.Millisecond
	lastPause  = 30 * time.Second
)

// deliver sends a batch, in parts if it is larger than one should be, until it is stored or refused for good. It reports false if ctx ended
// before.
func (s *influx) deliver(ctx context.Context, b batch) bool {
	size, end := 0, 0
	for end < len(b) && (end == 0 || size+len(b[end].text) <= s.opts.Batch) {
		size += len(b[end].text)
		end++
	}
	if end < len(b) {
		return s.deliver(ctx, b[:end]) && s.deliver(ctx, b[end:])
	}
	if len(b) == 0 {
		return true
	}
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		if ctx.Err() != nil {
			return false
		}
		err := s.post(b)
		var answered *answerError
		switch errors.As(err, &answered); {
		case err == nil:
			s.stored(b.lines())
			return true
		case answered != nil && answered.status == http.StatusRequestEntityTooLarge && len(b) > 1:
			return s.deliver(ctx, b[:len(b)/2]) && s.deliver(ctx, b[len(b)/2:])
		case answered != nil && answered.forGood():
			first, _, _ := bytes.Cut(b[0].text, []byte("\n"))
			s.refused(b.lines(), string(first), err) // it has taken the others of a partial write
			return true
		}
		s.failing(err, waitOnDisk)
		wait := pause/2 + rand.N(pause/2) // many senders shouldn't come back together
		if answered != nil {
			wait = max(wait, min(answered.retryAfter, lastPause))
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
	}
}

// answerError is an answer that says that rows were not stored.
type answerError struct {
	status     int
	text       string
	retryAfter time.Duration
}

func (e *answerError) Error() string { return fmt.Sprintf("it answers %d: %s", e.status, e.text) }

// forGood reports whether sending the same again would have the same answer. Missing rights and databases can come.
func (e *answerError) forGood() bool {
	switch e.status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

// post sends a batch once.
func (s *influx) post(b batch) error {
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	for _, c := range b {
		z.Write(c.text)
	}
	z.Close()
	r, err := http.NewRequestWithContext(s.posts, http.MethodPost, s.target.String(), &body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Encoding", "gzip")
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	if s.opts.Token != "" {
		r.Header.Set("Authorization", "Token "+s.opts.Token)
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(answer.Body, 1000))
	if answer.StatusCode/100 == 2 {
		return nil
	}
	seconds, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
	return &answerError{answer.StatusCode, string(bytes.TrimSpace(said)), time.Duration(seconds) * time.Second}
}
