package instance

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
)

// tasker hands the abi.Host that it was given to a test.
type tasker struct {
	quiet
	host abi.Host
}

func newTasker(t *testing.T, log *slog.Logger) (*Instance, *tasker) {
	t.Helper()
	p := &tasker{}
	d := abi.Descriptor{ABI: abi.Version, New: func(_ context.Context, h abi.Host) (abi.Instance, error) {
		p.host = h
		if h.Go(func(context.Context) { t.Error("a goroutine runs before Start") }) {
			t.Error("Go runs something before Start")
		}
		return p, nil
	}}
	in, err := New(limited(t), &Image{descriptor: &d}, loggingHost{log: log}, nil, nil, notLate(t))
	if err != nil {
		t.Fatal(err)
	}
	return in, p
}

type loggingHost struct {
	freshHost
	log *slog.Logger
}

func (h loggingHost) Logger() *slog.Logger { return h.log }

// TestTasks checks that goroutines of Go end with the background work, are waited for, and that their panics end nothing.
func TestTasks(t *testing.T) {
	var log bytes.Buffer
	in, p := newTasker(t, slog.New(slog.NewTextHandler(&log, nil)))
	for range 3 { // as after a move that failed
		if err := in.Start(limited(t)); err != nil {
			t.Fatal(err)
		}
		ended := make(chan bool, 2)
		for range 2 {
			if !p.host.Go(func(ctx context.Context) {
				<-ctx.Done()
				ended <- true
			}) {
				t.Fatal("Go runs nothing")
			}
		}
		if err := in.Pause(limited(t)); err != nil || len(ended) != 2 {
			t.Errorf("paused: %v, %d goroutines ended", err, len(ended))
		}
		if p.host.Go(func(context.Context) {}) {
			t.Error("Go runs something after the end")
		}
	}
	in.Resume(limited(t))
	p.host.Go(func(context.Context) { panic("at the disco") })
	if err := in.End(limited(t)); err != nil || !strings.Contains(log.String(), "at the disco") {
		t.Errorf("after a panic: %v, log %s", err, log.String())
	}
}

// TestHeedlessTask checks that a goroutine that ignores its context is given up in time, and told.
func TestHeedlessTask(t *testing.T) {
	in, p := newTasker(t, slog.New(slog.DiscardHandler))
	in.Start(limited(t))
	release := make(chan struct{})
	defer close(release)
	p.host.Go(func(context.Context) { <-release })
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := in.End(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "not returned: 1") {
		t.Errorf("ended: %v", err)
	}
}
