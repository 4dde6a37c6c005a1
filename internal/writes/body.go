package writes

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// read reads a request's body, unpacked, into a buffer, for as long as there is room for it.
func (e *endpoints) read(b *bytes.Buffer, r *http.Request, held *places) *failure {
	body := io.Reader(http.MaxBytesReader(nil, r.Body, e.BodyLimit))
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(body)
		if err != nil {
			return unreadable(err)
		}
		body = z
	default:
		return &failure{kind: badBody, text: fmt.Sprintf("content encoding %q is not gzip", encoding)}
	}
	n, err := b.ReadFrom(&measured{Reader: io.LimitReader(body, e.BodyLimit+1), held: held})
	if errors.Is(err, errBusy) {
		io.Copy(io.Discard, http.MaxBytesReader(nil, r.Body, e.BodyLimit)) // a client that is still sending would miss the answer
	}
	if err != nil {
		return unreadable(err)
	}
	if n > e.BodyLimit {
		return &failure{kind: tooLarge}
	}
	return nil
}

// measured is a Reader for whose text there has to be room.
type measured struct {
	io.Reader
	held *places
	size int64
}

func (m *measured) Read(p []byte) (n int, err error) {
	n, err = m.Reader.Read(p)
	if m.size += int64(n); !m.held.grow(m.size) {
		return n, errBusy
	}
	return n, err
}

// unreadable says why a body can't be read.
func unreadable(err error) *failure {
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return &failure{kind: tooLarge}
	}
	if errors.Is(err, errBusy) {
		return &failure{kind: full, text: err.Error()}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) { // after a 4xx, Telegraf would drop its points because its network was slow
		return &failure{kind: full, text: "the rest of the body did not arrive in time; nothing of it was taken"}
	}
	return &failure{kind: badBody, text: fmt.Sprintf("unable to read the body: %v", err)}
}
