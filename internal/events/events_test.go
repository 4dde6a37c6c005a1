package events

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
)

func event(kind generations.Kind, plugin, detail string) generations.Event {
	return generations.Event{Kind: kind, Plugin: plugin, Detail: detail}
}

// reader reads one stream.
type reader struct {
	t     *testing.T
	lines *bufio.Scanner
	end   func()
}

func read(t *testing.T, url, after string) *reader {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if after != "" {
		req.Header.Set("Last-Event-ID", after)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); resp.Body.Close() })
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Fatalf("%s: %s", resp.Status, got)
	}
	return &reader{t, bufio.NewScanner(resp.Body), cancel}
}

// next returns the next message.
func (r *reader) next() (id, kind, data string) {
	r.t.Helper()
	for r.lines.Scan() {
		name, value, _ := strings.Cut(r.lines.Text(), ": ")
		switch name {
		case "id":
			id = value
		case "event":
			kind = value
		case "data":
			return id, kind, value
		}
	}
	r.t.Fatalf("the stream ended: %v", r.lines.Err())
	return
}

func serve(t *testing.T, l *Log) (url string, done chan struct{}) {
	done = make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := l.Serve(w, r, done); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, done
}

// TestStream reads events as they happen, ends, and goes on after the last one.
func TestStream(t *testing.T) {
	l := NewLog(time.Now())
	l.Add(0, event(generations.KindStop, "", "before"))
	url, done := serve(t, l)
	r := read(t, url, "")
	l.Add(7, event(generations.KindDeploy, "a", "1"), event(generations.KindRefuse, "b", "2"))
	id, kind, data := r.next()
	var e Event
	if err := json.Unmarshal([]byte(data), &e); err != nil || kind != "deploy" || e.Seq != 2 || e.Worker != 7 || e.Plugin != "a" || e.Time.IsZero() {
		t.Fatalf("%s %s: %v", kind, data, err)
	}
	r.end()
	again := read(t, url+"?plugin=b&plugin=c&kind=refuse", id)
	if _, kind, data := again.next(); kind != "refuse" || !strings.Contains(data, `"detail":"2"`) {
		t.Errorf("%s %s", kind, data)
	}
	l.Add(0, event(generations.KindRefuse, "a", "3"), event(generations.KindDeploy, "c", "4"), event(generations.KindRefuse, "c", "5"))
	if _, _, data := again.next(); !strings.Contains(data, `"detail":"5"`) {
		t.Errorf("not the next that was asked for: %s", data)
	}
	close(done)
	again.lines.Scan() // the empty line after the event
	if again.lines.Scan() {
		t.Errorf("there is more after the end: %s", again.lines.Text())
	}
	if resp, err := http.Get(url + "?since=x"); err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("%v, %v", resp, err)
	}
}

// TestMissed tells late readers how much they have missed: what the log has dropped, and what a worker could not tell.
func TestMissed(t *testing.T) {
	l := NewLog(time.Now())
	for i := range maxEvents + 10 {
		l.Add(1, event(generations.KindCheckpoint, "a", fmt.Sprint(i)))
	}
	l.Lose(5)
	l.Add(1, event(generations.KindDeploy, "a", "last"))
	url, _ := serve(t, l)
	r := read(t, url+"?since=0", "")
	if _, kind, data := r.next(); kind != KindMissed || data != `{"missed":11}` {
		t.Fatalf("%s %s", kind, data)
	}
	for range maxEvents - 1 {
		if _, kind, data := r.next(); kind != "checkpoint" {
			t.Fatalf("%s %s", kind, data)
		}
	}
	if _, kind, data := r.next(); kind != KindMissed || data != `{"missed":5}` {
		t.Errorf("%s %s", kind, data)
	}
	id, kind, _ := r.next()
	if kind != "deploy" || id != l.ID(maxEvents+16) {
		t.Errorf("%s %s", id, kind)
	}
	if _, kind, data := read(t, url, "abc-7").next(); kind != KindMissed || data != `{"missed":0,"restarted":true}` {
		t.Errorf("from another server: %s %s", kind, data)
	}
}

// TestBounded keeps no more bytes than promised, however long the events are.
func TestBounded(t *testing.T) {
	l := NewLog(time.Now())
	for range 500 {
		l.Add(1, event(generations.KindRefuse, "a", strings.Repeat("x", 100<<10)))
	}
	entries, missed, _ := l.Since(0)
	bytes := 0
	for _, e := range entries {
		bytes += len(e.JSON)
	}
	if bytes > maxBytes || len(entries) < 30 || missed != 500-uint64(len(entries)) {
		t.Errorf("%d events of %d bytes, %d missed", len(entries), bytes, missed)
	}
}

// TestSlowReader adds events while a reader takes none: nobody waits for it, and it is told how many it has missed.
func TestSlowReader(t *testing.T) {
	l := NewLog(time.Now())
	url, _ := serve(t, l)
	r := read(t, url, "")
	const all = 20_000
	for range all {
		l.Add(1, event(generations.KindRefuse, "a", strings.Repeat("x", 1<<10)))
	}
	l.Add(1, event(generations.KindDeploy, "a", ""))
	got, lost := uint64(0), uint64(0)
	for {
		_, kind, data := r.next()
		if kind == "deploy" {
			break
		}
		var m Missed
		if kind == KindMissed {
			if err := json.Unmarshal([]byte(data), &m); err != nil {
				t.Fatal(err)
			}
			lost += m.Missed
			continue
		}
		got++
	}
	if lost == 0 || got+lost != all {
		t.Errorf("%d events arrived and %d were missed of %d", got, lost, all)
	}
}

// TestSaved goes on with the numbers, events and counts of an earlier log.
func TestSaved(t *testing.T) {
	now := time.Now()
	l := NewLog(now)
	l.Add(1, event(generations.KindDeploy, "a", "1"))
	l.Lose(3)
	text, err := json.Marshal(l.Save())
	if err != nil {
		t.Fatal(err)
	}
	var s Saved
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	next := NewLog(now)
	next.Restore(&s)
	next.Restore(nil)
	next.Add(2, event(generations.KindDeploy, "a", "2"))
	entries, missed, _ := next.Since(0)
	if len(entries) != 2 || entries[0].Detail != "1" || entries[1].Seq != 5 || missed != 3 {
		t.Errorf("%+v, %d missed", entries, missed)
	}
	if n := next.Counts()[Count{generations.KindDeploy, "a"}]; n != 2 {
		t.Errorf("%d deploys were counted", n)
	}
}

// TestQueue bounds what waits for a sender, and gives all of it before the end.
func TestQueue(t *testing.T) {
	q := NewQueue()
	for i := range maxQueued + 7 {
		q.Put(event(generations.KindDeploy, "a", fmt.Sprint(i)))
	}
	b, ok := q.Take()
	if !ok || len(b.Events) != maxQueued || b.Lost != 7 {
		t.Errorf("%d events, %d lost, %v", len(b.Events), b.Lost, ok)
	}
	q.Put(event(generations.KindStop, "", ""))
	q.Close()
	if b, ok := q.Take(); !ok || len(b.Events) != 1 {
		t.Errorf("%v, %v", b, ok)
	}
	if _, ok := q.Take(); ok {
		t.Error("there is more after the end")
	}
}
