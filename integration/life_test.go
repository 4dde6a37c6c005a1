package integration

import (
	"bufio"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestTerminate sends SIGTERM while a request runs: it finishes, new connections are refused, the server exits with 0, and the next server boots what was
// current.
func TestTerminate(t *testing.T) {
	t.Parallel()
	first := newSource(t, "wordfreq").build()
	p := newPlace(t)
	file := filepath.Join(p.plugins, "wordfreq.so")
	install(t, first, file)
	d := p.start(t, "--plugins", p.plugins)
	mark := d.mark()
	second := newCloner(t, first, "example.com/wordfreq").clone(t)
	install(t, second, file)
	d.awaitReload(mark, "wordfreq")

	conn, err := net.Dial("tcp", d.url[len("http://"):])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("POST /wordfreq HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\none")); err != nil {
		t.Fatal(err)
	}
	for d.plugin("wordfreq").Generations[0].Leases == 0 { // until the plugin reads the text
	}
	d.cmd.Process.Signal(syscall.SIGTERM)
	d.await(0, func(l line) bool { return l.text("msg") == "stopping: finishing running requests" })
	for err := error(nil); !errors.Is(err, syscall.ECONNREFUSED); { // new connections neither hang nor are reset
		var late net.Conn
		if late, err = net.Dial("tcp", d.url[len("http://"):]); err == nil {
			late.Close()
		}
	}
	if _, err := conn.Write([]byte(" two")); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("the request that ran gets %v, %v", resp, err)
	}
	d.awaitExit()

	d = p.start(t, "--plugins", p.plugins)
	if _, generation := d.get("/wordfreq"); generation != short(t, second) {
		t.Errorf("after a restart %s serves, want what was current, %s", generation, short(t, second))
	}
}

// TestKill ends servers with SIGKILL at random moments of a series of reloads. Each leaves a store from which the next one
// boots, with an image that was installed.
func TestKill(t *testing.T) {
	t.Parallel()
	src := newSource(t, "counter")
	first := src.build()
	clones := newCloner(t, first, "example.com/counter")
	p := newPlace(t)
	file := filepath.Join(p.plugins, "counter.so")
	install(t, first, file)
	known := map[string]bool{short(t, first): true}
	rnd := rand.New(rand.NewPCG(3, 4))
	for range repeated(4) {
		d := p.start(t, "--plugins", p.plugins)
		if _, generation := d.get("/counter"); !known[generation] {
			t.Fatalf("boots %s, which was never installed", generation)
		}
		killed := time.AfterFunc(time.Duration(rnd.IntN(150))*time.Millisecond, func() { d.cmd.Process.Kill() })
		for range 4 {
			image := clones.clone(t)
			known[short(t, image)] = true
			install(t, image, file)
			select {
			case <-d.exited:
			case <-time.After(20 * time.Millisecond): // the pace of the series, not a wait for anything
			}
		}
		d.awaitGone()
		killed.Stop()
	}
	d := p.start(t, "--plugins", p.plugins)
	d.get("/counter")
	d.terminate()
}
