// Package headline adds a line to the header of an HTTP/1 response on its way from net/http to the connection.
//
// A handler whose response has no header of its own would otherwise pay for the line several times over: net/http makes a map for
// it, copies the map, sorts its keys, and looks into it for each header that it would add itself. That is a tenth of the CPU time
// of a short request.
//
// It relies on one habit of net/http: a response's status line begins a call of Write, because the buffer before the connection is
// flushed after each response and after each one that is informational.
package headline

import (
	"bytes"
	"context"
	"io"
	"sync"
)

// Line is what one connection adds to its next response. Only the goroutine that answers the request may use it, or one that is
// synchronized with it, as net/http has it for what writes to a connection.
type Line struct {
	text string // with the end of the line; "" for nothing
}

type key struct{}

// NewContext returns a context for the requests of a connection that writes through l.
func NewContext(ctx context.Context, l *Line) context.Context {
	return context.WithValue(ctx, key{}, l)
}

// Add adds a line, which ends with "\r\n", to the response of the request with this context. It reports false if the
// request's connection can't do that: then the line is for the response's http.Header. The handler doesn't see the line there.
func Add(ctx context.Context, text string) bool {
	l, ok := ctx.Value(key{}).(*Line)
	if ok {
		l.text = text
	}
	return ok
}

// Drop forgets a line that was not written, because somebody else has taken the connection over.
func (l *Line) Drop() { l.text = "" }

// room is as much as net/http writes at once in front of a connection, and more than a line.
const room = 5 << 10

var buffers = sync.Pool{New: func() any {
	b := make([]byte, 0, room)
	return &b
}}

// Write writes p to a connection, with the line after the status line if p begins with that of a final response. It returns how
// many bytes of p were written.
func (l *Line) Write(to io.Writer, p []byte) (int, error) {
	at := 0
	if l.text != "" {
		at = afterStatus(p)
	}
	if at == 0 {
		return to.Write(p)
	}
	text := l.text
	l.text = ""
	b := buffers.Get().(*[]byte)
	*b = append(append(append((*b)[:0], p[:at]...), text...), p[at:]...)
	n, err := to.Write(*b)
	buffers.Put(b)
	if n > at {
		n = max(n-len(text), at)
	}
	return n, err
}

// afterStatus returns where the header of a final response begins; 0 if p begins with something else. 101 is final: what
// follows is no HTTP.
func afterStatus(p []byte) int {
	const version = len("HTTP/1.1 ")
	if len(p) < version+3 || !bytes.HasPrefix(p, []byte("HTTP/1.")) || p[version] == '1' && !bytes.HasPrefix(p[version:], []byte("101")) {
		return 0
	}
	return bytes.IndexByte(p, '\n') + 1
}
