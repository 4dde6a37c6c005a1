package supervisor

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/listener"
	"github.com/sohost/sohost/internal/server/worker"
	"github.com/sohost/sohost/internal/sockets/socketstest"
)

// openings is a stage whose listeners and addresses change. Its listener http has its address in the configuration.
type openings struct {
	*stage
	c      *configuration
	worker *puppet
}

func newOpenings(t *testing.T, set func(*Options)) *openings {
	st, c := newConfigured(t, func(o *Options) {
		o.Start.Listeners = []listener.Settings{{Name: "http", Address: o.Listeners[0].Addr().String()}}
		if set != nil {
			set(o)
		}
	})
	return &openings{st, c, st.start()}
}

// listen changes the listeners of the file.
func (o *openings) listen(all ...listener.Settings) {
	o.c.change(func(f *file) { f.listeners = all })
}

// reload reads the configuration, and has a new worker take it up. While the worker that serves is asked to give its plugins away, during
// is called.
func (o *openings) reload(during func()) (control.ConfigReload, []string) {
	o.t.Helper()
	reloading := o.stage.reload(o.t.Context())
	var taker *puppet
	select {
	case taker = <-o.workers:
	case r := <-reloading:
		o.t.Fatalf("no worker is started: %+v, %v", r.ConfigReload, r.err)
	}
	give := o.worker.give()
	if during != nil {
		during()
	}
	taker.serve(2)
	o.worker.given(taker)
	o.worker.exit(0)
	o.worker = taker
	r, _ := receive(o.t, reloading, "answer")
	if r.err != nil {
		o.t.Fatal(r.err)
	}
	return r.ConfigReload, give.Close
}

// dial reports whether somebody listens.
func dial(network, address string) bool {
	c, err := net.DialTimeout(network, address, patience)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// awaitRefused waits until nobody listens any more.
func awaitRefused(t *testing.T, network, address string) {
	t.Helper()
	for deadline := time.Now().Add(patience); dial(network, address); time.Sleep(time.Millisecond) { // nothing can be waited for
		if time.Now().After(deadline) {
			t.Fatalf("%s is still listened on", address)
		}
	}
}

// awaitNone waits until no goroutine is in a function.
func (o *openings) awaitNone(function string) {
	o.t.Helper()
	stacks := make([]byte, 4<<20)
	for deadline := time.Now().Add(patience); strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), function); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			o.t.Fatalf("there are goroutines in %s", function)
		}
	}
}

// TestOpenListeners adds listeners to a server, changes and removes them. Each worker gets the sockets that it is to serve, under the
// names that they have then; a socket whose address stays is the same.
func TestOpenListeners(t *testing.T) {
	t.Parallel()
	o := newOpenings(t, nil)
	plain := o.c.now().listeners[0]
	path := filepath.Join(o.dir, "l.sock")
	web, sock := listener.Settings{Name: "web", Address: "127.0.0.1:0"}, listener.Settings{Name: "sock", Address: "unix:" + path, Mode: 0o600}
	o.listen(plain, sock, web)
	r, closed := o.reload(nil)
	if len(r.Opens) != 2 || r.Opens[0] != (control.Address{What: "listener sock", Address: path}) || r.Opens[1].What != "listener web" || r.Closes != nil || closed != nil {
		t.Errorf("opened is %+v, closed %+v; the giver closes %v", r.Opens, r.Closes, closed)
	}
	address := r.Opens[1].Address
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || !dial("unix", path) || !dial("tcp", address) {
		t.Errorf("the new sockets are not there: %v", err)
	}
	if n := o.worker.began.Files; n != 8 || len(o.worker.began.Order.Start.Listeners) != 3 {
		t.Errorf("the worker has %d files and the listeners %+v", n, o.worker.began.Order.Start.Listeners)
	}

	// The one with the port that was chosen gets another name, the other one another mode.
	sock.Mode = 0o666
	named := listener.Settings{Name: "named", Address: address}
	o.listen(plain, named, sock)
	if r, closed = o.reload(nil); r.Opens != nil || r.Closes != nil || closed != nil {
		t.Errorf("with another name opened is %+v, closed %+v and %v", r.Opens, r.Closes, closed)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o666 || !dial("tcp", address) {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if l := o.worker.began.Order.Start.Listeners; l[1].Name != "named" || o.status().Listeners[1].Address != address {
		t.Errorf("the worker has the listeners %+v", l)
	}

	// Both are closed, once nobody can be served by a worker that has them; those who have connected by then are the giver's.
	o.listen(plain)
	r, closed = o.reload(func() {
		if !dial("tcp", address) || !dial("unix", path) {
			t.Error("before the handover is made, somebody is refused")
		}
	})
	if len(r.Closes) != 2 || r.Opens != nil || !slices.Equal(closed, []string{"named", "sock"}) {
		t.Errorf("closed is %+v; the giver closes %v", r.Closes, closed)
	}
	awaitRefused(t, "tcp", address)
	awaitRefused(t, "unix", path)
	if len(o.status().Listeners) != 1 || !dial("tcp", plain.Address) {
		t.Errorf("left are the listeners %+v", o.status().Listeners)
	}
	o.worker.crash("")
	next := o.stage.worker()
	if next.began.Files != 4 || next.began.Address != plain.Address {
		t.Errorf("a worker that is started later has %d files, and %s", next.began.Files, next.began.Address)
	}
	o.worker = next
	next.serve(3)
}

// TestOpenRefused has configurations with addresses that can't be had. Each is refused with all of them, by a dry run as well, and nothing
// is touched: what could be opened is closed again.
func TestOpenRefused(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free := socketstest.Free(t)
	o := newOpenings(t, nil)
	plain := o.c.now().listeners[0]
	file := filepath.Join(o.dir, "no socket")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o.listen(plain, listener.Settings{Name: "a", Address: free}, listener.Settings{Name: "b", Address: taken.Addr().String()},
		listener.Settings{Name: "c", Address: "unix:" + file}, listener.Settings{Name: "d"}, listener.Settings{Name: "e", Address: "203.0.113.7:80"})
	o.c.owns(func(own *Own) { own.Metrics = plain.Address })
	for _, dry := range []bool{true, false} {
		_, err := o.client.Reload(t.Context(), control.ReloadRequest{DryRun: dry})
		if err == nil {
			t.Fatal("it is not refused")
		}
		for _, want := range []string{
			"listener b: listen tcp " + taken.Addr().String() + ": bind: address already in use, by this server",
			"listener c: listen on " + file + ": a file that is not a socket is in the way", "listener d: it has no address",
			"listener e: listen tcp 203.0.113.7:80: bind: cannot assign requested address", "listen for metrics: ", "nothing has changed",
		} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("the refusal %v has not %q", err, want)
			}
		}
		if dial("tcp", free) || !dial("tcp", plain.Address) {
			t.Error("the addresses have changed")
		}
	}
	if s := o.status(); s.Config.Failed == nil || len(s.Listeners) != 1 {
		t.Errorf("the status says %+v", s)
	}

	// The handover fails: what was opened for it is closed.
	o.listen(plain, listener.Settings{Name: "a", Address: free})
	o.c.owns(func(own *Own) { own.Metrics = "" })
	reloading := o.stage.reload(t.Context())
	taker := o.stage.worker()
	if !dial("tcp", free) {
		t.Error("the new socket isn't open when the new worker begins")
	}
	o.worker.next()
	taker.exit(1)
	o.worker.say(worker.Word{Given: &worker.Given{Error: "no"}})
	if r, _ := receive(t, reloading, "answer"); r.err == nil || dial("tcp", free) {
		t.Errorf("after a handover that failed: %v", r.err)
	}
}

// TestOpenWhileStopping stops listening in the middle of a handover that opens a socket: nobody may connect to that, either.
func TestOpenWhileStopping(t *testing.T) {
	t.Parallel()
	o := newOpenings(t, nil)
	plain, path := o.c.now().listeners[0], filepath.Join(o.dir, "l.sock")
	o.listen(plain, listener.Settings{Name: "web", Address: "127.0.0.1:0"}, listener.Settings{Name: "sock", Address: "unix:" + path})
	r, _ := o.reload(o.s.stopListening)
	if dial("tcp", plain.Address) || dial("tcp", r.Opens[1].Address) || dial("unix", path) {
		t.Error("there are new connections")
	}
}

// TestOpenOverlap moves a listener from one address to all, and back. Meanwhile all that connect are accepted, by the socket that there
// was or the one that there is.
func TestOpenOverlap(t *testing.T) {
	t.Parallel()
	o := newOpenings(t, nil)
	one := o.c.now().listeners[0].Address
	_, port, _ := net.SplitHostPort(one)
	for _, address := range []string{":" + port, one, "0.0.0.0:" + port, one} {
		before := o.worker.began.Address
		o.listen(listener.Settings{Name: "http", Address: address})
		r, closed := o.reload(func() {
			if !dial("tcp", one) {
				t.Error("refused in the middle of the handover")
			}
		})
		if len(r.Opens) != 1 || len(r.Closes) != 1 || len(closed) != 1 || o.worker.began.Address == before {
			t.Errorf("from %s to %s: %+v, %v; the worker has %s", before, address, r, closed, o.worker.began.Address)
		}
		for _, on := range o.s.listening() {
			o.s.tasks.Go(func() { on.Accept() })
		}
		if !dial("tcp", one) {
			t.Error("refused after the handover")
		}
	}
}

// TestOwn changes what the supervisor itself has, without a handover.
func TestOwn(t *testing.T) {
	t.Parallel()
	first, second := socketstest.Free(t), socketstest.Free(t)
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	write := func(text string) {
		if err := os.WriteFile(token, []byte(strings.Repeat(text, 20)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := newOpenings(t, func(o *Options) { o.Metrics = first })
	reload := func() control.ConfigReload {
		t.Helper()
		r, err := o.client.Reload(t.Context(), control.ReloadRequest{})
		if err != nil || r.Handover != nil {
			t.Fatalf("%+v, %v", r, err)
		}
		return r
	}
	o.c.owns(func(own *Own) { own.Metrics, own.HandoverTimeout = second, never+time.Second })
	r := reload()
	if len(r.Opens) != 1 || r.Opens[0] != (control.Address{What: "metrics", Address: second}) || len(r.Closes) != 1 || r.Closes[0].Address != first {
		t.Errorf("opened is %+v, closed %+v", r.Opens, r.Closes)
	}
	if got := get(t, "http://"+second+"/healthz"); got != "200 OK ok\n" {
		t.Errorf("/healthz answers %q", got)
	}
	awaitRefused(t, "tcp", first)
	if o.s.limit(underway) != never+time.Second {
		t.Error("the limit of a handover is the one from before")
	}

	// The console is opened, gets another token without another socket, and is closed.
	o.c.owns(func(own *Own) { own.Console, own.ConsoleToken = first, token })
	login := func() string {
		t.Helper()
		return get(t, "http://"+first+"/v1/status?brief=true")
	}
	write("a")
	reload()
	if got := login(); !strings.HasPrefix(got, "401 ") || o.status().Console != "http://"+first+"/" {
		t.Errorf("the console answers %s, and the status has it at %q", got, o.status().Console)
	}
	write("b")
	if r := reload(); r.Opens != nil || r.Closes != nil || login() == "" {
		t.Errorf("with another token opened is %+v, closed %+v", r.Opens, r.Closes)
	}
	o.c.owns(func(own *Own) { own.Console, own.Metrics = "", "" })
	if r := reload(); len(r.Closes) != 2 {
		t.Errorf("closed is %+v", r.Closes)
	}
	awaitRefused(t, "tcp", first)

	// The control socket moves; the answer comes by the one from before.
	before, after := filepath.Join(o.dir, "c.sock"), filepath.Join(o.dir, "d.sock")
	o.c.owns(func(own *Own) { own.ControlPath = after })
	reload()
	o.client = control.NewClient(after)
	o.status()
	awaitRefused(t, "unix", before)
	if _, err := os.Lstat(before); !os.IsNotExist(err) {
		t.Errorf("the file of the control socket from before: %v", err)
	}
}

// TestControlBack moves the control socket and back, while the one from before still answers: whoever ends that one leaves the file alone.
func TestControlBack(t *testing.T) {
	t.Parallel()
	o := newOpenings(t, nil)
	before, after := o.c.now().own.ControlPath, filepath.Join(o.dir, "d.sock")
	asking, err := net.Dial("unix", before)
	if err != nil {
		t.Fatal(err)
	}
	defer asking.Close()
	if _, err := asking.Write([]byte("GET ")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{after, before} {
		o.c.owns(func(own *Own) { own.ControlPath = path })
		if _, err := o.client.Reload(t.Context(), control.ReloadRequest{}); err != nil {
			t.Fatal(err)
		}
		o.client = control.NewClient(path)
	}
	asking.Close()
	o.awaitNone("(*endpoint).end")
	o.status()
}

// TestDryRunWaits has a dry run of a configuration that is taken up in this moment. It waits, and neither takes an address away from the
// other nor misses one.
func TestDryRunWaits(t *testing.T) {
	t.Parallel()
	o := newOpenings(t, nil)
	o.listen(o.c.now().listeners[0], listener.Settings{Name: "new", Address: socketstest.Free(t)})
	dry := make(chan error, 1)
	o.reload(func() {
		go func() {
			r, err := o.client.Reload(t.Context(), control.ReloadRequest{DryRun: true})
			if err == nil && len(r.Opens)+len(r.Changes) > 0 {
				t.Errorf("after the other one it would change %+v", r)
			}
			dry <- err
		}()
		o.awaitGoroutines(1, "[select", "(*Supervisor).takeTurn(")
	})
	if err, _ := receive(t, dry, "answer"); err != nil {
		t.Error(err)
	}
}

// TestIsAt says which addresses lead to the socket that there is.
func TestIsAt(t *testing.T) {
	t.Parallel()
	all, one := &net.TCPAddr{IP: net.IPv6unspecified, Port: 80}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}
	link, file := &net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0", Port: 80}, &net.UnixAddr{Net: "unix", Name: "/a"}
	for _, c := range []struct {
		at      net.Addr
		address string
		is      bool
	}{
		{all, ":80", true}, {all, "0.0.0.0:80", true}, {all, "[::]:80", true}, {all, ":81", false}, {all, "127.0.0.1:80", false},
		{one, "127.0.0.1:80", true}, {one, "127.0.0.1:0", false}, {one, "", false}, {one, ":80", false},
		{link, "[fe80::1%eth0]:80", true}, {link, "[fe80::1%eth1]:80", false}, {file, "unix:/a", true}, {file, "unix:/b", false}, {one, "unix:/a", false},
	} {
		if got := isAt(c.at, c.address); got != c.is {
			t.Errorf("isAt(%v, %q) = %v", c.at, c.address, got)
		}
	}
}
