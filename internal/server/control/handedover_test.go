package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/backlog"
	"github.com/sohost/sohost/internal/passing"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/sinks"
)

// TestHandedOver asks a host that has given its plugins away. Everything about them is another process's to answer.
func TestHandedOver(t *testing.T) {
	dir := tempDir(t)
	lock, err := generations.AcquireLock(t.Context(), filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	options := sohost.Options{Store: filepath.Join(dir, "store"), Logger: slog.New(slog.DiscardHandler), Process: &sohost.Process{Lock: lock}}
	giver, err := sohost.New(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	socket := listen(t, dir, control.NewServer(t.Context(), giver, func() []sinks.Status { return nil }, func() *backlog.Status { return nil }, func() map[string]int64 { return nil }))
	questions := []struct{ method, path, body string }{
		{"GET", "/v1/status", ""},
		{"GET", "/v1/status?brief=true", ""},
		{"GET", "/v1/history?n=1", ""},
		{"GET", "/v1/releases", ""},
		{"GET", "/v1/quarantine", ""},
		{"POST", "/v1/deploy", `{"images":{"gone":""}}`},
		{"POST", "/v1/rollback", `{}`},
		{"POST", "/v1/rollback", `{"plugins":["gone"]}`},
		{"POST", "/v1/prune", `{"keep":1}`},
		{"POST", "/v1/quarantine/lift", `{"image":"00"}`},
	}
	for _, q := range questions {
		if status, answer := raw(t, socket, q.method, q.path, q.body); status == 421 {
			t.Errorf("before the handover: %s %s: %d %s", q.method, q.path, status, answer)
		}
	}

	mine, theirs, err := passing.Pair()
	if err != nil {
		t.Fatal(err)
	}
	type taken struct {
		host *sohost.Host
		err  error
	}
	taking := make(chan taken, 1)
	go func() {
		host, err := sohost.Take(context.Background(), options, theirs)
		taking <- taken{host, err}
	}()
	_, giveErr := giver.Give(t.Context(), mine, sohost.GiveOptions{})
	taker := <-taking
	if err := errors.Join(giveErr, taker.err); err != nil {
		t.Fatal(err)
	}
	defer taker.host.Close(context.Background())

	for _, q := range questions {
		status, answer := raw(t, socket, q.method, q.path, q.body)
		var f control.Failure
		if err := json.Unmarshal([]byte(answer), &f); err != nil || status != 421 || !errors.Is(&f, sohost.ErrHandedOver) {
			t.Errorf("after the handover: %s %s: %d %s, want 421 with code %s", q.method, q.path, status, answer, control.CodeHandedOver)
		}
	}
}
