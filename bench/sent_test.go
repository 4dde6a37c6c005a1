package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestSend sends requests to a server, all of which must be answered rightly.
func TestSend(t *testing.T) {
	var wrong atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wrong.Load() {
			http.Error(w, "no", http.StatusTeapot)
			return
		}
		io.WriteString(w, strings.TrimPrefix(r.URL.Path, "/"))
	}))
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	s, err := send(address, "/right", "right", 2, 20*time.Millisecond)
	if err != nil || len(s.times) < 2 || s.percentile(99) < s.percentile(50) || s.percentile(50) <= 0 || s.rate() <= 0 {
		t.Errorf("%d requests, %v", len(s.times), err)
	}
	if _, err := send(address, "/left", "right", 2, 20*time.Millisecond); err == nil || !strings.Contains(err.Error(), "wrong answer") {
		t.Errorf("a wrong text: %v", err)
	}
	wrong.Store(true)
	if _, err := send(address, "/right", "right", 2, 20*time.Millisecond); err == nil || !strings.Contains(err.Error(), "418") {
		t.Errorf("a wrong status: %v", err)
	}
}

// TestServed writes what was measured as a sentence.
func TestServed(t *testing.T) {
	text := served{rates: []float64{0.9, 0.97, 0.98}, tails: []float64{1.2, 1.04, 1}, triggered: []float64{0.5, 0.99, 1.1}, compiled: 61234}.String()
	for _, want := range []string{"32 connections", "0.97 ×", "(61,000)", "1.04 ×", "0.99 × as many as by the plugin's route"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %q", want, text)
		}
	}
}
