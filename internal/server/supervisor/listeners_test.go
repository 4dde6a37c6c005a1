package supervisor

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/server/certs"
	"github.com/sohost/sohost/internal/server/certstest"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/listener"
	"github.com/sohost/sohost/internal/server/worker"
)

// pass hands over from one puppet to another.
func (st *stage) pass(giver *puppet, release int) (taker *puppet) {
	st.t.Helper()
	handing := st.handover(control.HandoverRequest{})
	taker = st.worker()
	giver.give()
	taker.next()
	taker.next() // what the giver has written
	taker.serve(release)
	giver.given(taker)
	if a, _ := receive(st.t, handing, "answer"); a.err != nil {
		st.t.Fatal(a.err)
	}
	return taker
}

// addListener adds a unix socket to a stage.
func addListener(t *testing.T, o *Options, s listener.Settings) {
	t.Helper()
	path := filepath.Join(o.Start.Options.Store, s.Name)
	on, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	o.Listeners = append(o.Listeners, Listener{Name: s.Name, Listener: on, Path: path})
	o.Start.Listeners = append(o.Start.Listeners, s)
}

// TestLinger has old workers stay for what they have left, until there are too many of them.
func TestLinger(t *testing.T) {
	t.Parallel()
	st := newStage(t, func(o *Options, _ *limits) { o.Start.Linger, o.Start.LingerWorkers = 2*never, 2 })
	workers := []*puppet{st.start()}
	for i := range 3 {
		workers = append(workers, st.pass(workers[i], i+2))
		workers[i].do(command{Left: &worker.Left{Connections: i + 7}})
	}
	if !workers[0].order().Hurry {
		t.Error("the oldest of three workers isn't told to hurry")
	}
	s := st.await(func(s control.Status) bool { return len(s.Draining) == 3 && s.Draining[2].Connections == 9 })
	for i, d := range s.Draining {
		if d.PID != workers[i].pid || d.Connections != i+7 || d.Since == nil || d.Until.Sub(*d.Since) != 2*never || i > 0 && d.Release != i+1 {
			t.Errorf("old worker %d of %+v is %+v", i, workers[i].pid, d)
		}
	}
	for _, p := range workers[:3] {
		p.exit(0)
	}
	st.await(func(s control.Status) bool { return len(s.Draining) == 0 })
	select {
	case e := <-workers[1].events:
		if e.Order != nil {
			t.Errorf("a worker that may stay is told %+v", e.Order)
		}
	default:
	}
}

// TestStopDelay stops a server: it isn't ready at once, serves for the delay, and only then tells its worker to finish.
func TestStopDelay(t *testing.T) {
	t.Parallel()
	const delay = 300 * time.Millisecond
	st := newStage(t, func(o *Options, _ *limits) { o.Start.StopDelay = delay })
	p := st.start()
	if why := st.s.NotReady(); why != "" {
		t.Errorf("the server isn't ready: %s", why)
	}
	begin := time.Now()
	st.stop()
	if why := st.s.NotReady(); why != "the server stops" {
		t.Errorf("the server that stops says %q", why)
	}
	if !dial("tcp", p.began.Address) && time.Since(begin) < delay { // on a busy machine it may be over by now
		t.Error("nobody can connect in the delay")
	}
	st.status() // orders are taken
	if !p.order().Finish {
		t.Error("the worker is not told to finish")
	}
	if took := time.Since(begin); took < delay {
		t.Errorf("the delay lasts %v", took)
	}
	p.exit(0)
	if err := st.end(); err != nil {
		t.Error(err)
	}
}

// TestStopDelayWithoutWorker stops a server at once that serves nothing yet.
func TestStopDelayWithoutWorker(t *testing.T) {
	t.Parallel()
	st := newStage(t, func(o *Options, _ *limits) { o.Start.StopDelay = never })
	st.run()
	p := st.worker()
	st.stop()
	if !p.order().Finish {
		t.Error("the worker is not told to finish")
	}
	p.exit(0)
	st.end()
}

// TestListeners gives each worker all sockets and how they are served. A socket of systemd stays when the configuration doesn't name it
// any more, and says that it needs a restart.
func TestListeners(t *testing.T) {
	t.Parallel()
	st, c := newConfigured(t, func(o *Options) {
		addListener(t, o, listener.Settings{Name: "other", H2C: true})
		o.Listeners[1].Stays = true
		o.Settings["listener.other.mode"] = "0660"
	})
	giver := st.start()
	listens := func(p *puppet, files int) {
		t.Helper()
		l := p.began.Order.Start.Listeners
		if p.began.Files != files || len(l) != 2 || l[0].Name != "http" || l[0].H2C || l[1].Name != "other" || !l[1].H2C {
			t.Errorf("a worker gets %d files and the listeners %+v", p.began.Files, l)
		}
	}
	listens(giver, 5)
	c.write("settle", "2")
	c.change(func(f *file) { f.listeners = nil })
	reloading := st.reload(t.Context())
	taker := st.worker()
	if g := giver.give(); len(g.Close) > 0 {
		t.Errorf("the giver is to close %v", g.Close)
	}
	listens(taker, 7)
	taker.serve(2)
	giver.given(taker)
	r, _ := receive(t, reloading, "answer")
	if r.err != nil || len(r.Opens)+len(r.Closes) > 0 || len(r.Changes) != 2 || r.Changes[0].Key != "listener.other.mode" || !r.Changes[0].Restart {
		t.Errorf("the answer is %+v, %v", r.ConfigReload, r.err)
	}
	if all := st.status().Listeners; len(all) != 2 || all[1].Name != "other" || !all[1].H2C || !strings.HasSuffix(all[1].Address, "/other") {
		t.Errorf("the status has the listeners %+v", all)
	}
	giver.exit(0)
	st.stop()
	taker.order()
	taker.exit(0)
	st.end()
	if _, err := os.Stat(filepath.Join(st.dir, "other")); !os.IsNotExist(err) {
		t.Errorf("the file of the socket after the end: %v", err)
	}
}

// TestPairs changes the files of a certificate. A good pair goes to the worker that serves and to later ones, a broken one to nobody.
func TestPairs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := certs.Files{Certificate: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	write := func(p certs.Pair) {
		t.Helper()
		certstest.Write(t, files, p)
	}
	first, second := certstest.New(t, time.Hour), certstest.New(t, time.Hour)
	write(first)
	st := newStage(t, func(o *Options, _ *limits) {
		addListener(t, o, listener.Settings{Name: "secure", Pair: &first, Files: files})
	})
	p := st.start()
	certificate := func() *control.CertificateStatus { return st.status().Listeners[1].Certificate }
	if c := certificate(); c == nil || c.File != files.Certificate || c.Failed != nil {
		t.Errorf("the certificate is %+v", c)
	}
	write(second)
	if o := p.order(); o.Pair == nil || o.Pair.Listener != "secure" || !o.Pair.Pair.Equal(second) {
		t.Errorf("the worker is told %+v", o)
	}
	if !told(st.s, generations.KindCertificate) {
		t.Error("no event tells of the second certificate")
	}
	for what, broken := range map[string]certs.Pair{
		"another's key":  {Certificate: second.Certificate, Key: first.Key},
		"no certificate": {Certificate: []byte("none"), Key: first.Key},
		"expired":        certstest.New(t, -time.Minute),
	} {
		write(broken)
		st.await(func(s control.Status) bool { return s.Listeners[1].Certificate.Failed != nil })
		if !told(st.s, generations.KindCertFailed) {
			t.Errorf("%s: no event tells of it", what)
		}
		write(second)
		st.await(func(s control.Status) bool { return s.Listeners[1].Certificate.Failed == nil })
		if t.Failed() {
			t.Fatal(what)
		}
	}
	write(certs.Pair{Certificate: first.Certificate, Key: second.Key})
	st.log.await("the certificate is not taken up")
	p.crash("panic: x\n")
	next := st.worker()
	if l := next.began.Order.Start.Listeners; len(l) != 2 || l[1].Pair == nil || !l[1].Pair.Equal(second) {
		t.Error("a worker that starts while the files are broken doesn't get the last good pair")
	}
	next.serve(2)
	write(first)
	if o := next.order(); o.Pair == nil || !o.Pair.Pair.Equal(first) {
		t.Errorf("the next worker is told %+v", o)
	}
	st.stop()
	for !next.order().Finish { // it may be told of the last pair twice
	}
	next.exit(0)
	st.end()
}

// told reports whether there was an event of a kind.
func told(s *Supervisor, kind generations.Kind) bool {
	for _, e := range s.events.Save().Events {
		if strings.Contains(string(e), `"kind":"`+string(kind)+`"`) {
			return true
		}
	}
	return false
}

// TestPairsInLegacy leaves the certificates that serve to the program that replaces this one, which must know of listeners.
func TestPairsInLegacy(t *testing.T) {
	first, second := certstest.New(t, time.Hour), certstest.New(t, time.Hour)
	files := certs.Files{Certificate: "c", Key: "k"}
	plain := newStage(t, nil)
	if l := plain.s.legacy(); l.Form != legacyForm {
		t.Errorf("with one listener the form is %d", l.Form)
	}
	st := newStage(t, func(o *Options, _ *limits) {
		addListener(t, o, listener.Settings{Name: "secure", Pair: &first, Files: files})
	})
	st.s.pairs.good[files] = second
	if l := st.s.legacy(); l.Form != listenersForm || !l.Start.Listeners[1].Pair.Equal(second) {
		t.Errorf("the legacy has the form %d and the listeners %+v", l.Form, l.Start.Listeners)
	}
	// A stop that has begun must not be lost with this program.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	st.s.wanted = ctx
	if err := st.s.lastStop(t.Context(), make(chan os.Signal)); err == nil {
		t.Error("a server that stops after a delay becomes another program")
	}
}
