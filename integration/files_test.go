package integration

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/control"
)

// TestFewFiles has more clients than the server may have files open. Handovers work all the same, nobody who was answered is cut off
// before the next request's end, and the server stops.
func TestFewFiles(t *testing.T) {
	t.Parallel()
	if *arm64 {
		t.Skip("the emulator's own files count, too")
	}
	p := newPlace(t)
	install(t, newSource(t, "hello").build(), filepath.Join(p.plugins, "hello.so"))
	// The shutdown timeout is also how long an old worker waits for requests that have begun.
	d := startServer(t, p, "sh", "-c", `ulimit -n 64; exec "$0" "$@"`, server, "run", "--listen", "127.0.0.1:0", "--store", p.store,
		"--control", p.control, "--log-format", "json", "--plugins", p.plugins, "--shutdown-timeout", patience.String())
	var waiting []net.Conn
	for range 170 {
		c, err := net.Dial("tcp", d.url[len("http://"):])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		io.WriteString(c, "GET /hello HTTP/1.1\r\nHost: x\r\n")
		waiting = append(waiting, c)
	}
	status, err := d.client.Status(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	for status.Worker.Files.Open < 48 { // until no more are accepted
		if status, err = d.client.Status(patient(t)); err != nil {
			t.Fatal(err)
		}
	}
	if u := status.Worker.Files; u.Limit != 64 || u.Open > 56 {
		t.Errorf("the worker's files are %+v", u)
	}
	for range 3 {
		if _, err := d.client.Handover(patient(t), control.HandoverRequest{}); err != nil {
			t.Errorf("a handover with 170 clients and 64 files: %v", err)
		}
	}
	for _, c := range waiting {
		io.WriteString(c, "Connection: close\r\n\r\n")
		if b, err := io.ReadAll(c); err != nil && !os.IsTimeout(err) || len(b) == 0 {
			t.Errorf("a client that waited gets %q, %v", b, err)
		}
		c.Close()
	}
	d.terminate()
}
