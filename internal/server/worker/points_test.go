package worker

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/listener"
)

// TestWriteForNobody writes to a worker without plugins. The write is acknowledged, and nothing of it is on disk.
func TestWriteForNobody(t *testing.T) {
	p := newPlace(t)
	dir := filepath.Join(p.store, "writes")
	c := p.start(func(s *Start) { s.Writes = &Writes{} })
	c.serving()
	r, err := http.Post(p.url+"/write?db=d", "text/plain", strings.NewReader("cpu v=1i\n"))
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	segments, err := filepath.Glob(filepath.Join(dir, "*", "0*"))
	if err != nil || r.StatusCode != http.StatusNoContent || len(segments) != 0 {
		t.Errorf("%s, and on disk are %v, %v", r.Status, segments, err)
	}
	c.order(Order{Finish: true})
	c.ends(0)
}

// TestSlowWriter begins writes and doesn't end them. Each client is told to try again, and its connection is closed.
func TestSlowWriter(t *testing.T) {
	p := newPlace(t)
	c := p.start(func(s *Start) {
		s.Writes = &Writes{}
		s.Clients = listener.Limits{Body: 50 * time.Millisecond}
	})
	c.serving()
	for _, path := range []string{"/write?db=d", "/api/v2/write?bucket=d&org=o", "/api/v3/write_lp?db=d"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\ncpu v=1i\n", path)
		answer := bufio.NewReader(conn)
		r, err := http.ReadResponse(answer, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		if r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" || !r.Close {
			t.Errorf("%s: %s %v", path, r.Status, r.Header)
		}
		conn.SetReadDeadline(time.Now().Add(patience))
		if _, err := answer.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: after the answer: %v, want the connection's end", path, err)
		}
	}
	c.order(Order{Finish: true})
	c.ends(0)
}
