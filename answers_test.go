package sohost

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestAnswers counts what generations answer: by status, with panics, over reloads, and what retired ones have answered.
func TestAnswers(t *testing.T) {
	w := newWorld(t)
	r := w.boots("s1")
	if s := r.pluginStatus("s"); s.Answered != nil || s.Durations != nil {
		t.Errorf("before the first: %+v", s.Answered)
	}
	w.fail("s1 s/bad", func(context.Context) error { return errFault })
	w.fail("s1 s/panic", func(context.Context) error { panic("at the disco") })
	w.fail("s1 s/abort", func(context.Context) error { panic(http.ErrAbortHandler) })
	for _, path := range []string{"/s", "/s", "/s/bad", "/s/panic", "/s/abort"} {
		func() {
			defer func() { recover() }()
			r.get(path)
		}()
	}
	want := Answers{ByClass: [6]int64{2: 2 + 1, 4: 1}, Panics: 1}
	check := func(when string, total int64, want ...string) {
		t.Helper()
		s := r.pluginStatus("s")
		var got []string
		for _, a := range s.Answered {
			got = append(got, fmt.Sprint(a.ID.Short(), a.Answers))
		}
		var n int64
		for _, c := range s.Durations.Counts {
			n += c
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || n != total || s.Durations.Sum <= 0 || len(s.Durations.Counts) != len(s.Durations.Bounds)+1 {
			t.Errorf("%s: %v and %d durations, want %v and %d", when, got, n, want, total)
		}
	}
	one, two := w.imageID("s1").Short(), w.imageID("s2").Short()
	check("before the reload", 5, fmt.Sprint(one, want))
	r.mustDeploy("s2")
	r.tasksIdle()
	r.get("/s")
	check("after it", 6, fmt.Sprint(two, Answers{ByClass: [6]int64{2: 1}}), fmt.Sprint(one, want))
	for n := range 2 * shownAnswers {
		r.mustDeploy(fmt.Sprint("s", n%2+1))
		r.tasksIdle()
		r.get("/s")
	}
	if s := r.pluginStatus("s"); len(s.Answered) != 2 || s.Answered[1].ByClass[2] != 3+shownAnswers {
		t.Errorf("an image that comes again goes on counting: %+v", s.Answered)
	}
}

// TestAnswersOfTwo has an image run in two generations, of which the older one has a call that goes on. What the other one has answered stays
// shown as the image's, however many others retire meanwhile.
func TestAnswersOfTwo(t *testing.T) {
	w := newWorld(t)
	r := w.boots("s1")
	inside, letGo := w.holds("s1 s/slow")
	slow := make(chan string)
	go func() { slow <- r.get("/s/slow") }()
	<-inside
	check := func(old int, want int64) {
		t.Helper()
		eventually(t, "the others retire", func() bool {
			p, err := r.plugin("s")
			if err != nil {
				t.Fatal(err)
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			return len(p.old) == old
		})
		s := r.pluginStatus("s")
		i := slices.IndexFunc(s.Answered, func(a GenerationAnswers) bool { return a.ID == w.imageID("s1") })
		if i < 0 || s.Answered[i].ByClass[2] != want {
			t.Errorf("of %+v the image that runs twice has not answered %d", s.Answered, want)
		}
	}
	for _, image := range []string{"s2", "s1"} {
		r.mustDeploy(image)
		r.get("/s")
	}
	for n := range shownAnswers + 2 {
		r.mustDeploy(fmt.Sprint("s", n+2))
		r.get("/s")
		check(1, 1)
	}
	letGo()
	<-slow
	check(0, 2)
}

// TestNoted asks for each thing that a writer can do through the one that stands for it, in HTTP/1 and HTTP/2.
func TestNoted(t *testing.T) {
	statuses, l := make(chan int, 1), &loaded{header: []string{"label"}}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w, answer := noted(w, l)
		defer func() { statuses <- answer.status }()
		if err := http.NewResponseController(w).EnableFullDuplex(); r.ProtoMajor == 1 && err != nil {
			t.Error(err)
		}
		//lint:ignore SA1019 see CloseNotify
		if _, ok := w.(http.CloseNotifier); !ok {
			t.Error("no CloseNotifier")
		}
		_, pushes := w.(http.Pusher)
		_, hijacks := w.(http.Hijacker)
		if pushes != (r.ProtoMajor == 2) || hijacks != (r.ProtoMajor == 1) {
			t.Errorf("%s: pushes %v, hijacks %v", r.Proto, pushes, hijacks)
		}
		switch r.URL.Path {
		case "/early":
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusTeapot)
		case "/copy":
			io.Copy(w, strings.NewReader("copied")) // by ReadFrom, if there is one
			io.WriteString(w, " written")
			w.(http.Flusher).Flush()
		case "/hijack":
			c, rw, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if got := w.Header().Get(GenerationHeader); got != "label" {
				t.Errorf("a proxy would answer from generation %q", got)
			}
			fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
			rw.Flush()
		}
	})
	for _, h2 := range []bool{false, true} {
		s := httptest.NewUnstartedServer(handler)
		s.EnableHTTP2 = h2
		s.StartTLS()
		for path, want := range map[string]int{"/": 0, "/early": http.StatusTeapot, "/copy": 0} {
			resp, err := s.Client().Get(s.URL + path)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if got := <-statuses; got != want || path == "/copy" && string(body) != "copied written" {
				t.Errorf("%s: %d %q, want %d", path, got, body, want)
			}
		}
		s.Close()
	}
	s := httptest.NewServer(handler)
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /hijack HTTP/1.1\r\nHost: x\r\n\r\n")
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || <-statuses != http.StatusSwitchingProtocols {
		t.Errorf("%q, %v", line, err)
	}
	if w, _ := noted(plainWriter{}, l); w.(*response).Unwrap() == nil {
		t.Error("no writer below")
	}
}

// TestTooLarge answers 413 to a body that is too large: a connection of HTTP/1 is closed then, without reading the rest.
func TestTooLarge(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w, _ = noted(w, new(loaded))
		if _, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1)); err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		}
	})
	for _, h2 := range []bool{false, true} {
		s := httptest.NewUnstartedServer(handler)
		s.EnableHTTP2 = h2
		s.StartTLS()
		for body, want := range map[string]int{"1": http.StatusOK, "12": http.StatusRequestEntityTooLarge} {
			resp, err := s.Client().Post(s.URL, "", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != want || resp.Close != (!h2 && body == "12") {
				t.Errorf("%s, a body of %d bytes: %s, closed %t", resp.Proto, len(body), resp.Status, resp.Close)
			}
		}
		s.Close()
	}
}

// TestAnswersWhileReloading reads the status again and again while a plugin is called and reloaded: no count ever falls, and none of the
// requests is missing in the end.
func TestAnswersWhileReloading(t *testing.T) {
	w := newWorld(t)
	r := w.boots("s1")
	var callers, watchers sync.WaitGroup
	var calls atomic.Int64
	over := make(chan struct{})
	ended := func() bool {
		select {
		case <-over:
			return true
		default:
			return false
		}
	}
	for range 3 {
		callers.Go(func() {
			for !ended() {
				if code, text := r.request("/s"); code != http.StatusOK {
					t.Errorf("%d %s", code, text)
				}
				calls.Add(1)
			}
		})
	}
	before := map[string]int64{}
	check := func() map[string]int64 {
		s := r.StatusBrief().Plugins[0]
		now := map[string]int64{}
		for _, a := range s.Answered {
			now[a.ID.Short()] = a.ByClass[2]
			now["all"] += a.ByClass[2]
		}
		if s.Durations != nil {
			now["took"] = int64(s.Durations.Sum)
			for _, n := range s.Durations.Counts {
				now["durations"] += n
			}
		}
		for what, n := range before {
			if now[what] < n {
				t.Errorf("%s falls from %d to %d", what, n, now[what])
			}
		}
		before = now
		return now
	}
	watchers.Go(func() {
		for !ended() {
			check()
		}
	})
	for n := range 20 {
		r.mustDeploy(fmt.Sprint("s", 2-n%2))
	}
	close(over)
	callers.Wait()
	watchers.Wait()
	if now := check(); now["all"] != calls.Load() || now["durations"] != calls.Load() {
		t.Errorf("%v after %d calls", now, calls.Load())
	}
}

// plainWriter can do nothing but write.
type plainWriter struct{ http.ResponseWriter }
