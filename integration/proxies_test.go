package integration

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"text/template"
	"time"

	"github.com/sohost/sohost/internal/server/certs"
	"github.com/sohost/sohost/internal/server/certstest"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/sockets/socketstest"
)

var proxiesLast = flag.Duration("proxies", 0, "how long streams through nginx and haproxy last in TestProxies; 0 skips it")

// proxies are an nginx and a haproxy in front of a server.
type proxies struct {
	Dir           string
	Root          bool
	Clear, Secure string            // addresses of the server
	Haproxy       map[string]string // lines of haproxy.cfg by the way that they are for
	Ports         map[string]string // addresses of the proxies, by way
}

// startProxies starts both. Each way to the server has a port of its own, for HTTP/2.
func startProxies(t *testing.T, d *daemon, dir string) *proxies {
	t.Helper()
	addresses := map[string]string{}
	for _, l := range d.status().Listeners {
		addresses[l.Name] = l.Address
	}
	p := &proxies{Dir: dir, Root: os.Getuid() == 0, Clear: addresses["http"], Secure: addresses["secure"], Ports: map[string]string{}}
	p.Haproxy = map[string]string{
		"haproxy-clear":  p.Clear,
		"haproxy-h2c":    addresses["h2c"] + " proto h2",
		"haproxy-secure": p.Secure + " ssl alpn h2 ws h1",
	}
	for _, way := range []string{"nginx-clear", "nginx-secure", "haproxy-clear", "haproxy-h2c", "haproxy-secure"} {
		p.Ports[way] = socketstest.Free(t)
	}
	var both []byte
	for _, name := range []string{"cert.pem", "key.pem"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, b...)
	}
	if err := os.WriteFile(filepath.Join(dir, "both.pem"), both, 0o600); err != nil {
		t.Fatal(err)
	}
	p.run(t, "nginx.conf", "nginx", "-p", dir, "-e", filepath.Join(dir, "nginx.log"), "-c")
	p.run(t, "haproxy.cfg", "haproxy", "-db", "-f")
	return p
}

// run starts a proxy with a configuration from testdata, until the end of the test, and waits until it listens.
func (p *proxies) run(t *testing.T, config string, command ...string) {
	t.Helper()
	text, err := template.ParseFiles(filepath.Join("testdata", "proxies", config))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(p.Dir, config))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := text.Execute(f, p); err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath(command[0])
	if err != nil {
		program = "/usr/sbin/" + command[0] // which isn't everybody's path
	}
	said := new(strings.Builder)
	cmd := exec.Command(program, append(command[1:], f.Name())...)
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		cmd.Wait()
		close(exited)
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt) // both end with their children
		<-exited
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(p.Dir, "nginx.log"))
			t.Logf("%s says:\n%s%s", command[0], said, log)
		}
	})
	for way, at := range p.Ports {
		awaitThat(t, way+" listens", func() bool {
			select {
			case <-exited:
				t.Fatal("the proxy ends at once")
			default:
			}
			c, err := net.Dial("tcp", at)
			if err == nil {
				c.Close()
			}
			return err == nil || !strings.HasPrefix(way, command[0])
		})
	}
}

// TestProxies has nginx and haproxy in front of a server, by HTTP/1.1 and HTTP/2, in the clear and over TLS. Through each of them
// clients send requests, without repeating any, while a stream and a websocket are open over five handovers in ten seconds. Nothing
// is cut off, and each request is counted once.
func TestProxies(t *testing.T) {
	if *proxiesLast == 0 {
		t.Skip("make test-proxies runs it: it needs nginx and haproxy")
	}
	place := newPlace(t)
	pair := certs.Files{Certificate: filepath.Join(place.dir, "cert.pem"), Key: filepath.Join(place.dir, "key.pem")}
	certstest.Write(t, pair, certstest.New(t, time.Hour))
	install(t, newSourceOf(t, "live", filepath.Join("testdata", "live")).build(), filepath.Join(place.plugins, "live.so"))
	install(t, newSourceOf(t, "counter", filepath.Join("..", "plugins", "counter")).build(), filepath.Join(place.plugins, "counter.so"))
	config := "[listener.h2c]\naddress = '127.0.0.1:0'\nh2c = true\n" +
		"[listener.secure]\naddress = '127.0.0.1:0'\ncertificate = 'cert.pem'\nkey = 'key.pem'\n"
	file := filepath.Join(place.dir, "sohost.toml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	d := place.start(t, "--config", file, "--plugins", place.plugins, "--shutdown-timeout", "3s")
	p := startProxies(t, d, place.dir)

	ctx, stop := context.WithCancel(patient(t))
	var loads, streams sync.WaitGroup
	var mu sync.Mutex // guards counted
	counted := map[string]int{}
	for way := range p.Ports {
		for range 3 {
			loads.Go(func() {
				n, err := p.count(ctx, way)
				if err != nil {
					t.Errorf("%s: request %d: %v", way, n+1, err)
				}
				mu.Lock()
				defer mu.Unlock()
				counted[way] += n
			})
		}
		opened := make(chan error, 2)
		streams.Go(func() { check(t, way+", events", p.events(way, opened)) })
		if way != "haproxy-h2c" { // haproxy can't turn a websocket into HTTP/2 for a server that doesn't know of those
			streams.Go(func() { check(t, way+", websocket", p.socket(way, opened)) })
		} else {
			opened <- nil
		}
		for range cap(opened) {
			if err := <-opened; err != nil {
				t.Fatalf("%s: %v", way, err)
			}
		}
	}
	first := d.status().Worker.PID
	for range 5 {
		time.Sleep(2 * time.Second) // five in ten seconds
		if _, err := d.client.Handover(patient(t), control.HandoverRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	if old := d.status().Draining; len(old) == 0 || old[0].PID != first || old[0].Connections == 0 || old[0].Since == nil {
		t.Errorf("of the streams the status says %+v", old)
	}
	streams.Wait()
	stop()
	loads.Wait()
	sum := 0
	for way, n := range counted {
		t.Logf("%-15s %d requests", way, n)
		if n == 0 {
			t.Errorf("%s: no request was answered", way)
		}
		sum += n
	}
	resp, err := impatient.Get(d.url + "/counter/total")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); strings.TrimSpace(string(b)) != fmt.Sprint(sum) {
		t.Errorf("the server has counted %s requests, the clients %d", b, sum)
	}
	awaitThat(t, "the old workers end", func() bool { return len(d.status().Draining) == 0 })
	d.terminate()
}

func check(t *testing.T, what string, err error) {
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}
