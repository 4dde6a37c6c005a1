package sohost

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/instance"
)

// before is a middleware: it puts its image's name and brackets around what comes after it.
type before struct{ *basic }

func (b *before) Wrap(next http.Handler) (http.Handler, error) {
	err := b.w.did(context.Background(), "%s Wrap", b.image)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := b.w.did(r.Context(), "%s passes", b.image); err != nil {
			http.Error(w, err.Error(), http.StatusTeapot)
			return
		}
		w.Header().Add("Passed", b.image)
		next.ServeHTTP(w, r)
	}), err
}

// ServeHTTP hides that of basic.
func (b *before) ServeHTTP(struct{}) {}

// statefulBefore is a middleware with state.
type statefulBefore struct {
	*stateful
	before before
}

func (s *statefulBefore) Wrap(next http.Handler) (http.Handler, error) { return s.before.Wrap(next) }

// chained returns options for these images and a chain of their plugins in this order.
func (w *world) chained(images ...string) Options {
	var names []string
	for _, image := range images {
		w.file(image[:1], image)
		names = append(names, image[:1])
	}
	o := w.options(names...)
	o.Chains = []Chain{{Route: "/shop/", Plugins: names}}
	return o
}

// passed makes a request, and returns which images it passed and what answered it.
func (r *rig) passed(path string) string {
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return strings.Join(append(w.Header()["Passed"], strings.TrimSpace(w.Body.String())), " > ")
}

// TestChain serves a route by three plugins, and reloads each of them: the others are left alone.
func TestChain(t *testing.T) {
	w := newWorld(t)
	r := w.host(w.chained("y1", "g1", "a1"))
	for _, step := range []struct{ deploy, want string }{
		{"", "y1 > g1 > a1 1"}, {"y2", "y2 > g1 > a1 2"}, {"g2", "y2 > g2 > a1 3"}, {"a2", "y2 > g2 > a2 4"},
	} {
		w.done()
		if step.deploy != "" {
			r.mustDeploy(step.deploy)
			if wraps := w.done("Wrap"); step.deploy != "a2" && wraps != step.deploy+" Wrap" {
				t.Errorf("deploy of %s: %s", step.deploy, wraps)
			}
		}
		if got := r.passed("/shop/x"); got != step.want {
			t.Errorf("%q, want %q", got, step.want)
		}
	}
	response := httptest.NewRecorder()
	r.ServeHTTP(response, httptest.NewRequest("GET", "/shop", nil))
	var want []string
	for _, image := range []string{"y2", "g2", "a2"} {
		want = append(want, w.imageID(image).Short())
	}
	if got := response.Header()[GenerationHeader]; !slices.Equal(got, want) {
		t.Errorf("the response names generations %v, want %v", got, want)
	}
	if got := mustJSON(t, r.StatusBrief().Chains); got != `[{"route":"/shop","plugins":["y","g","a"]}]` {
		t.Errorf("status has %s", got)
	}
}

// TestChainRefuses deploys images that can't take a plugin's place in a chain. What served goes on.
func TestChainRefuses(t *testing.T) {
	w := newWorld(t)
	r := w.host(w.chained("y1", "a1"))
	for plugin, image := range map[string]string{"y": "a3", "a": "y4"} {
		_, err := r.Deploy(t.Context(), map[string]string{plugin: w.file(plugin, image)})
		if refused := r.refusal(err, plugin, PhaseNew); !errors.Is(err, instance.ErrNoMiddleware) || !strings.Contains(refused.Message, "/shop") {
			t.Errorf("refused: %v", err)
		}
	}
	w.fail("y3 Wrap", fails)
	if _, err := r.deploy("y3"); !errors.Is(err, errFault) {
		t.Errorf("an error of Wrap: %v", err)
	}
	w.fail("y2 Wrap", func(context.Context) error { panic("wrapped") })
	if _, err := r.deploy("y2"); !errors.As(err, new(*PanicError)) {
		t.Errorf("a panic in Wrap: %v", err)
	}
	if got := r.passed("/shop"); got != "y1 > a1 1" {
		t.Errorf("%q serves", got)
	}
}

// TestChainPanics blames the plugin that has panicked, and no other of the chain.
func TestChainPanics(t *testing.T) {
	w := newWorld(t)
	r := w.host(w.chained("y1", "a1"))
	w.fail("a1 shop", func(context.Context) error { panic("oh") })
	func() {
		defer func() {
			if v := recover(); v != http.ErrAbortHandler {
				t.Errorf("recovered %v", v)
			}
		}()
		r.get("/shop")
	}()
	if !w.logged(`msg="panic in plugin" plugin=a`) || w.logged(`msg="panic in plugin" plugin=y`) {
		t.Error(w.log.String())
	}
	for _, p := range r.plugins() {
		if n := p.serving().Leases(); n != 0 {
			t.Errorf("%s has %d leases left", p.Name, n)
		}
	}
}

// TestChainMovesTogether deploys two plugins with state of which one's call goes on to the other, while such a call runs.
func TestChainMovesTogether(t *testing.T) {
	w := newWorld(t)
	o := w.chained("g1", "a1")
	o.DrainTimeout = 5 * time.Second
	r := w.host(o)
	running, finish := make(chan struct{}), make(chan struct{})
	w.fail("g1 passes", func(context.Context) error { close(running); <-finish; return nil })
	answered, deployed := make(chan string, 1), make(chan error, 1)
	go func() { answered <- r.passed("/shop") }()
	<-running
	go func() { _, err := r.deploy("a2", "g2"); deployed <- err }()
	eventually(t, "the gate of g is shut", func() bool { return r.pluginStatus("g").Gated })
	close(finish)
	if got := <-answered; got != "g1 > a1 1" {
		t.Errorf("the call was answered by %q", got)
	}
	if err := <-deployed; err != nil {
		t.Error(err)
	}
	if got := r.passed("/shop"); got != "g2 > a2 2" {
		t.Errorf("%q serves", got)
	}
}

// TestChainHandover hands over while a request is in the first plugin of a chain: it goes on in the taker, at the second. The same while
// the first has state, whose call must return before the handover: then all of it is here.
func TestChainHandover(t *testing.T) {
	for image, want := range map[string]string{"y1": "y1 > a1 1 taken", "g1": "g1 > a1 1"} {
		w := newWorld(t)
		gives, lock := w.giverOptions()
		o := w.chained(image, "a1")
		o.DrainTimeout, o.Process = 5*time.Second, gives.Process
		r := w.host(o)
		running, finish := make(chan struct{}), make(chan struct{})
		w.fail(image+" passes", func(context.Context) error { close(running); <-finish; return nil })
		answered := make(chan string, 1)
		go func() { answered <- r.passed("/shop") }()
		<-running
		taken := make(chan *rig, 1)
		forward := http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
			taker := <-taken
			taken <- taker
			taker.ServeFrom(ChainPlace(req), rw, req)
			fmt.Fprint(rw, " taken")
		})
		go func() {
			taker, _, err, takeErr := r.handover(context.Background(), lock, GiveOptions{Forward: forward})
			if err != nil || takeErr != nil {
				t.Error(err, takeErr)
			}
			taken <- taker
		}()
		if image == "y1" {
			taken <- <-taken
		} else {
			eventually(t, "the gate of g is shut", func() bool { return r.pluginStatus("g").Gated })
		}
		close(finish)
		if got := <-answered; got != want {
			t.Errorf("%s: %q, want %q", image, got, want)
		}
		taker := <-taken
		w.fail(image+" passes", nil)
		if got := taker.passed("/shop"); got != strings.TrimSuffix(strings.Replace(want, "a1 1", "a1 2", 1), " taken") {
			t.Errorf("%s: then %q", image, got)
		}
		response := httptest.NewRecorder()
		taker.ServeFrom("x,y /shop", response, httptest.NewRequest("GET", "/shop", nil))
		if response.Code != http.StatusServiceUnavailable {
			t.Errorf("a place that isn't there: %d", response.Code)
		}
	}
}

// TestChainBackend puts a server after a plugin, which switches protocols as for a websocket, and one that isn't there.
func TestChainBackend(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			fmt.Fprintf(w, "%s%s %s", r.Host, r.URL.Path, r.Header.Get("X-Forwarded-Host"))
			return
		}
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		io.Copy(c, rw)
	}))
	defer server.Close()
	w := newWorld(t)
	o := w.chained("y1")
	o.Chains = []Chain{{"/shop", []string{"y"}, server.URL}, {"/down", []string{"y"}, "http://127.0.0.1:1/"}}
	r := w.host(o)
	if got := r.passed("/shop/x"); got != "y1 > example.com/shop/x example.com" {
		t.Error(got)
	}
	if got := r.get("/down"); got != "502 the server behind this one doesn't answer" {
		t.Error(got)
	}
	front := httptest.NewServer(r)
	defer front.Close()
	c, err := net.Dial("tcp", front.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /shop HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	in := bufio.NewReader(c)
	response, err := http.ReadResponse(in, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols || response.Header.Get("Passed") != "y1" {
		t.Fatal(response, err)
	}
	r.mustDeploy("y2")
	fmt.Fprintln(c, "over a reload")
	if line, err := in.ReadString('\n'); line != "over a reload\n" {
		t.Errorf("the echo is %q, %v", line, err)
	}
}

// TestCheckChains gets chains wrong.
func TestCheckChains(t *testing.T) {
	o := newWorld(t).options("a", "b", "auth")
	o.Chains = []Chain{
		{Route: "x"}, {Route: "/a", Plugins: []string{"auht"}}, {Route: "/1", Plugins: []string{"a", "b", "a"}},
		{Route: "/2", Plugins: []string{"a"}, Backend: "127.0.0.1:80"}, {Route: "/3", Plugins: []string{"quite-other"}},
		{Route: "/4", Plugins: []string{"auth", "b"}}, {Route: "/5", Plugins: []string{"b", "a", "auth"}}, {Route: "/5/", Plugins: []string{"a"}},
	}
	_, err := o.resolve()
	for _, want := range []string{
		`route: want a path that begins with /, not "x"`, "the chain is empty", `no plugin is named "auht"; did you mean auth?`, "the route is a's already",
		"plugin a is in the chain already", `backend "127.0.0.1:80": want a URL`, `"quite-other": want one of a, b, auth`,
		"plugin b comes after auth here and before it by way of other chains", "chain of route /5: the route is another chain's already",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	o.Chains = []Chain{{Route: "/1", Plugins: []string{"a", "b"}}, {Route: "/2", Plugins: []string{"auth", "a"}}, {Route: "/3", Plugins: []string{"auth", "b"}}}
	if _, err := o.resolve(); err != nil {
		t.Error(err)
	}
	if r := newRanks(o.Chains).of; r["auth"] != 0 || r["a"] != 1 || r["b"] != 2 {
		t.Errorf("the ranks are %v", r)
	}
}
