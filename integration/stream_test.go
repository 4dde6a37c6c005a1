package integration

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"path/filepath"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/control"
)

// stream is a request that goes on for as long as its client wants.
type stream struct {
	t     *testing.T
	pid   int // of the worker in which it runs
	conn  net.Conn
	lines *bufio.Reader
	write io.WriteCloser
}

// newStream opens a request whose body and answer are streams, or a connection that the plugin takes over.
func newStream(t *testing.T, d *daemon, upgrade bool) *stream {
	t.Helper()
	conn, err := net.Dial("tcp", d.url[len("http://"):])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	s := &stream{t: t, conn: conn, write: conn}
	header, code := "POST /stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", http.StatusOK
	if upgrade {
		header, code = "GET /stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", http.StatusSwitchingProtocols
	} else {
		s.write = httputil.NewChunkedWriter(conn)
	}
	io.WriteString(conn, header)
	s.lines = bufio.NewReader(conn)
	resp, err := http.ReadResponse(s.lines, nil)
	if err != nil || resp.StatusCode != code {
		t.Fatalf("a stream is answered by %+v, %v", resp, err)
	}
	if !upgrade {
		s.lines = bufio.NewReader(resp.Body)
	}
	s.pid = s.say("hello")
	return s
}

// say sends a line and returns which process has answered it.
func (s *stream) say(text string) (pid int) {
	s.t.Helper()
	fmt.Fprintln(s.write, text)
	var echo string
	line, err := s.lines.ReadString('\n')
	if _, scanErr := fmt.Sscan(line, &pid, &echo); err != nil || scanErr != nil || echo != text {
		s.t.Fatalf("the stream of worker %d answers %q, %v", s.pid, line, err)
	}
	return pid
}

// end ends the stream as its client.
func (s *stream) end() {
	s.t.Helper()
	s.write.Close()
	if s.write != io.WriteCloser(s.conn) {
		io.WriteString(s.conn, "\r\n")
		if rest, err := io.ReadAll(s.lines); err != nil || len(rest) > 0 {
			s.t.Errorf("at the end of the stream of worker %d there are %q, %v", s.pid, rest, err)
		}
		s.conn.Close()
	}
}

// TestStreams opens uploads, downloads and connections like websockets in each worker of a chain of three handovers, the last of them to
// another program. All go on to the end, and each worker lives until its own have ended, and no longer.
func TestStreams(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	install(t, newSourceOf(t, "stream", filepath.Join("testdata", "stream")).build(), filepath.Join(p.plugins, "stream.so"))
	d := p.start(t, "--plugins", p.plugins, "--shutdown-timeout", patience.String())
	var streams [][]*stream
	handovers := []control.HandoverRequest{{}, {}, {Program: server}}
	for i := range len(handovers) + 1 {
		streams = append(streams, []*stream{newStream(t, d, false), newStream(t, d, true)})
		for _, s := range streams[i] {
			if i > 0 && s.pid == streams[i-1][0].pid {
				t.Fatalf("after handover %d the same worker answers", i)
			}
		}
		if i < len(handovers) {
			if _, err := d.client.Handover(patient(t), handovers[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range streams {
		for _, s := range streams[i] {
			if pid := s.say(fmt.Sprint("after-", i)); pid != s.pid {
				t.Errorf("a stream of worker %d is answered by %d", s.pid, pid)
			}
		}
	}
	for _, i := range []int{1, 2, 0} { // the first worker's last
		ended := anyEnded(streams[i][0].pid)
		for _, s := range streams[i] {
			s.end()
		}
		select {
		case <-ended:
		case <-time.After(patience):
			t.Fatalf("old worker %d doesn't end; the log:\n%s", streams[i][0].pid, d.log())
		}
		for _, s := range append(streams[0], streams[3]...) {
			if i != 0 || s.pid != streams[0][0].pid {
				s.say("still")
			}
		}
	}
	for _, s := range streams[3] {
		s.end()
	}
	d.terminate()
}
