package program

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// said returns what a line says after "at ".
func said(line string) string {
	url, _ := strings.CutPrefix(line, "at ")
	if url == line {
		return ""
	}
	return url
}

func shell(text string) (*Program, error) {
	return Start(said, []string{"PLACE=here"}, "sh", "-c", text)
}

// TestStart starts a program that logs a long line first, and goes on logging: that must not hold it up.
func TestStart(t *testing.T) {
	p, err := shell(`trap 'exit 3' TERM; head -c 200000 /dev/zero >&2; echo >&2; echo at $PLACE >&2; while :; do echo on >&2; done`)
	if err != nil {
		t.Fatal(err)
	}
	if p.URL != "here" {
		t.Errorf("it serves at %q", p.URL)
	}
	if p.Stop(); p.how == nil || !strings.Contains(p.how.Error(), "3") {
		t.Errorf("it ended with %v", p.how)
	}
	p.Stop() // again
}

// TestStartFails has programs end before they serve, not serve, and not end.
func TestStartFails(t *testing.T) {
	if _, err := shell("exit 7"); err == nil || !strings.Contains(err.Error(), "ended before it served: exit status 7") {
		t.Error(err)
	}
	if _, err := Start(said, nil, "/nonexistent"); err == nil {
		t.Error("a program that there isn't runs")
	}
	defer func(before time.Duration) { patience = before }(patience)
	patience = 50 * time.Millisecond
	if _, err := shell("exec sleep 60"); err == nil || !strings.Contains(err.Error(), "didn't serve within 50ms") {
		t.Error(err)
	}
	if _, err := shell("trap '' TERM; while :; do :; done"); err == nil {
		t.Error("one that ignores its end serves")
	}
}

func TestLogs(t *testing.T) {
	for line, want := range map[string]string{
		`{"level":"INFO","msg":"serving","url":"http://127.0.0.1:1"}`: "http://127.0.0.1:1",
		`{"level":"INFO","msg":"stopping"}`:                           "",
		"text":                                                        "",
	} {
		if got := Serving(line); got != want {
			t.Errorf("%s: %q", line, got)
		}
	}
	if got := listening("2026-11-27T08:00:00Z I! [inputs.http_listener_v2] Listening on 127.0.0.1:2"); got != "http://127.0.0.1:2" {
		t.Errorf("Telegraf serves %q", got)
	}
}

func TestWrite(t *testing.T) {
	status := http.StatusNoContent
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "why", status) }))
	defer s.Close()
	if err := Write(s.URL, []byte("m v=1")); err != nil {
		t.Error(err)
	}
	status = http.StatusServiceUnavailable
	if err := Write(s.URL, nil); err == nil || !strings.Contains(err.Error(), "503 Service Unavailable: why") {
		t.Error(err)
	}
}
