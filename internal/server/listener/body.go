package listener

import (
	"fmt"
	"io"
	"net/http"
	"time"
)

// bounded serves requests whose bodies keep coming: if nothing of one arrives for the time limit, reading it fails, and the
// connection is closed after the answer. Otherwise a client that stalls would hold its call, and what waits for the end of calls,
// for as long as it likes. A negative limit is none.
func bounded(limit time.Duration, next http.Handler) http.Handler {
	if limit < 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			b := &body{ReadCloser: r.Body, connection: http.NewResponseController(w), limit: limit}
			b.extend() // also for what nobody reads, and the server throws away
			r.Body = b
		}
		next.ServeHTTP(w, r)
	})
}

// body is a request's body, which may stall for the limit.
type body struct {
	io.ReadCloser
	connection *http.ResponseController
	limit      time.Duration
}

func (b *body) extend() {
	b.connection.SetReadDeadline(time.Now().Add(b.limit)) // fails only if the connection is gone
}

func (b *body) Read(p []byte) (int, error) {
	b.extend()
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		// The server now reads on to see whether the client goes away. That has no limit.
		b.connection.SetReadDeadline(time.Time{})
	}
	return n, err
}

// sized serves requests with bodies of at most limit bytes. A larger one gets 413 if its length is known, and otherwise reading it
// fails with a *http.MaxBytesError; the connection is closed after the answer. 0 is no limit.
func sized(limit int64, next http.Handler) http.Handler {
	if limit == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > limit {
			if r.ProtoMajor == 1 {
				w.Header().Set("Connection", "close")
			}
			http.Error(w, fmt.Sprintf("the body has %d bytes, and may have %d", r.ContentLength, limit), http.StatusRequestEntityTooLarge)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		next.ServeHTTP(w, r)
	})
}
