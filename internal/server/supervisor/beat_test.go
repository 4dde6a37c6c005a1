package supervisor

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/systemd"
)

// TestPace counts the beats of a server. While nobody calls there are a tenth as many, however they found that; one that finds a call,
// or an answer that is owed, brings the others back. Neither a short hang timeout nor systemd's watchdog is exceeded.
func TestPace(t *testing.T) {
	const beat, hang = time.Second, 10 * time.Second
	var c pace
	var now time.Duration
	beats, stood := 0, 0
	until := func(end time.Duration, busy bool) (n int) {
		for now < end {
			now += c.next(beat, hang, 0)
			n++
			stood += c.looks()
			c.saw(busy)
		}
		beats += n
		return n
	}
	if n := until(60*beat, true); n != 60 {
		t.Errorf("%d beats in 60 s of work", n)
	}
	if n := until(120*beat, false); n > 16 || n < 14 {
		t.Errorf("%d beats in the first 60 s of quiet", n)
	}
	if n := until(3720*beat, false); n > 361 {
		t.Errorf("%d beats in an hour of quiet", n)
	}
	if end := now; until(end+20*beat, true) < 11 {
		t.Error("it is looked at as seldom as if nobody called")
	}
	if want := int(now / beat); stood < want-1 || stood > want+1 {
		t.Errorf("%d beats stand for %d in %d s", beats, stood, want)
	}
	quiet := pace{quiet: quietAfter}
	for _, c := range []struct{ beat, hang, watchdog, want time.Duration }{
		{time.Second, 4 * time.Second, 0, 4 * time.Second},
		{time.Second, time.Minute, 0, 10 * time.Second},
		{time.Second, time.Minute, 6 * time.Second, 3 * time.Second},
		{time.Second, time.Minute, time.Second, time.Second},
		{time.Second, time.Millisecond, 0, time.Second},
	} {
		if got := quiet.next(c.beat, c.hang, c.watchdog); got != c.want {
			t.Errorf("%+v: the next beat is after %v", c, got)
		}
	}
}

// TestShortWatchdog beats at half of the interval that systemd has for its watchdog, also while it waits to start a worker again.
func TestShortWatchdog(t *testing.T) {
	listens, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify")})
	if err != nil {
		t.Fatal(err)
	}
	defer listens.Close()
	for usec, want := range map[string]time.Duration{"1000000": time.Second / 2, "60000000": time.Second, "1": leastBeat} {
		t.Setenv("NOTIFY_SOCKET", listens.LocalAddr().String())
		t.Setenv("WATCHDOG_USEC", usec)
		notifier, err := systemd.NewNotifier()
		if err != nil {
			t.Fatal(err)
		}
		s := New(Options{Notifier: notifier, Log: slogOf(newJournal(t))})
		if s.limits.beat != want {
			t.Errorf("with %s µs: a beat each %v", usec, s.limits.beat)
		}
		if usec != "1" {
			continue
		}
		ctx, stop := context.WithCancel(t.Context())
		waited := make(chan error, 1)
		go func() { waited <- s.await(ctx, never) }()
		for b := make([]byte, 100); !strings.Contains(string(b), "WATCHDOG=1"); {
			listens.SetReadDeadline(time.Now().Add(patience))
			if _, err := listens.Read(b); err != nil {
				t.Fatal(err)
			}
		}
		stop()
		if err, _ := receive(t, waited, "end of the wait"); err == nil {
			t.Error("it waits after the end of its context")
		}
	}
}
