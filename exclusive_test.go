package sohost

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// owner is an instance that owns the world's port while it is started.
type owner struct{ *basic }

func (o *owner) Start(ctx context.Context) error { return o.take(ctx) }
func (o *owner) Stop(ctx context.Context) error  { return o.release(ctx) }

type statefulOwner struct{ *stateful }

func (o *statefulOwner) Start(ctx context.Context) error { return o.take(ctx) }
func (o *statefulOwner) Stop(ctx context.Context) error  { return o.release(ctx) }

func (b *basic) take(ctx context.Context) error {
	if err := b.w.did(ctx, "%s Start", b.image); err != nil {
		return err
	}
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	if b.w.port != nil {
		return fmt.Errorf("%s has the port: %w", b.w.port.image, unix.EADDRINUSE)
	}
	b.w.port = b
	return nil
}

func (b *basic) release(ctx context.Context) error {
	if err := b.w.did(ctx, "%s Stop", b.image); err != nil {
		return err
	}
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	if b.w.port != b {
		return errors.New("it doesn't have the port")
	}
	b.w.port = nil
	return nil
}

// owns checks which image has the port.
func (w *world) owns(image string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.port == nil || w.port.image != image {
		w.t.Errorf("the port is %+v's, want %s", w.port, image)
	}
}

// TestExclusive reloads plugins that own something, with and without state. The old one stops before the new one starts, and callers wait.
func TestExclusive(t *testing.T) {
	for _, plugin := range []string{"o", "p"} {
		w := newWorld(t)
		r := w.boots(plugin + "1")
		r.wants("/"+plugin, plugin+"1 1")
		w.owns(plugin + "1")
		w.done()
		starting, proceed := make(chan struct{}), make(chan struct{})
		w.fail(plugin+"2 Start", func(context.Context) error { close(starting); <-proceed; return nil })
		deployed, answered := make(chan error, 1), make(chan string, 1)
		go func() { _, err := r.deploy(plugin + "2"); deployed <- err }()
		<-starting
		go func() { answered <- r.get("/" + plugin) }()
		eventually(t, "a caller waits", func() bool { return r.pluginStatus(plugin).Waiting == 1 })
		close(proceed)
		if err := <-deployed; err != nil {
			t.Fatal(err)
		}
		if got := <-answered; !strings.HasPrefix(got, plugin+"2 ") {
			t.Errorf("the caller gets %q", got)
		}
		w.owns(plugin + "2")
		r.tasksIdle()
		if got, want := w.done("New", "Start", "Stop"), fmt.Sprintf("%s2 New, %[1]s1 Stop, %[1]s2 Start", plugin); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if _, err := r.Rollback(t.Context(), RollbackOptions{}); err != nil {
			t.Fatal(err)
		}
		w.owns(plugin + "1")
	}
}

// TestExclusiveRefused lets each step of a reload fail. The old instance has afterwards what it owns, and callers go on with it. The next
// reload gets it, also if the old one's Stop has failed to release it.
func TestExclusiveRefused(t *testing.T) {
	for _, plugin := range []string{"o", "p"} {
		for event, phase := range map[string]Phase{"2 New": PhaseNew, "1 Stop": PhaseState, "2 Start": PhaseStart} {
			w := newWorld(t)
			r := w.boots(plugin+"1", "a1")
			w.fail(plugin+event, func(context.Context) error { w.fail(plugin+event, nil); return errFault })
			_, err := r.deploy(plugin+"2", "a2")
			r.refusal(err, plugin, phase)
			w.owns(plugin + "1")
			r.wants("/"+plugin, plugin+"1 1")
			r.wants("/a", "a1 1")
			r.mustDeploy(plugin + "3")
			w.owns(plugin + "3")
			if s := r.pluginStatus(plugin); s.Stopped != "" {
				t.Errorf("after %s the new code's background work is said to have stopped: %s", event, s.Stopped)
			}
		}
	}
}

// TestExclusiveRestart has the old instance fail to start again. It serves without, which Status tells, and is started later.
func TestExclusiveRestart(t *testing.T) {
	w := newWorld(t)
	r := w.boots("o1")
	w.fail("o2 Start", fails)
	w.fail("o1 Start", fails)
	_, err := r.deploy("o2")
	r.refusal(err, "o", PhaseStart)
	if s := r.pluginStatus("o"); !strings.Contains(s.Stopped, "fault") {
		t.Errorf("Status: %+v", s)
	}
	r.wants("/o", "o1 1")
	w.fail("o1 Start", nil)
	eventually(t, "it runs again", func() bool { return r.pluginStatus("o").Stopped == "" })
	w.owns("o1")
	r.wants("/o", "o1 2")
}

// TestExclusiveStopFails hands over although the old instance's Stop has failed before, in a reload and in a handover.
func TestExclusiveStopFails(t *testing.T) {
	for _, plugin := range []string{"o", "p"} {
		w := newWorld(t)
		r, lock := w.giver(plugin + "1")
		stop := plugin + "1 Stop"
		once := func(context.Context) error { w.fail(stop, nil); return errFault }
		w.fail(stop, once)
		if _, err := r.deploy(plugin + "2"); !errors.Is(err, errFault) {
			t.Errorf("the reload: %v", err)
		}
		w.fail(stop, once)
		if _, _, err, _ := r.handover(t.Context(), lock, GiveOptions{}); !errors.Is(err, errFault) {
			t.Errorf("the first handover: %v", err)
		}
		r.wants("/"+plugin, plugin+"1 1")
		taker, _, err, takeErr := r.handover(t.Context(), lock, GiveOptions{})
		if err != nil || takeErr != nil {
			t.Fatal(err, takeErr)
		}
		if got := taker.get("/" + plugin); !strings.HasPrefix(got, plugin+"1 ") {
			t.Errorf("the taker answers %q", got)
		}
		if s := taker.pluginStatus(plugin); s.Stopped != "" {
			t.Errorf("Status: %+v", s)
		}
	}
}

// TestExclusiveHandover hands over: the giver stops what owns something before the taker starts it. If the taker fails, the giver starts
// it again, and can hand over at once.
func TestExclusiveHandover(t *testing.T) {
	for _, plugin := range []string{"o", "p"} {
		w := newWorld(t)
		r, lock := w.giver(plugin + "1")
		r.wants("/"+plugin, plugin+"1 1")
		w.done()
		w.fail(plugin+"1 Start", func(context.Context) error { w.fail(plugin+"1 Start", nil); return errFault })
		if _, _, err, takeErr := r.handover(t.Context(), lock, GiveOptions{}); err == nil || takeErr == nil {
			t.Errorf("a taker that can't start it: %v, %v", err, takeErr)
		}
		w.owns(plugin + "1")
		if got, want := w.done("Start", "Stop"), fmt.Sprintf("%s1 Stop, %[1]s1 Start, %[1]s1 Start", plugin); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		r.wants("/"+plugin, plugin+"1 2")
		taker, _, err, takeErr := r.handover(t.Context(), lock, GiveOptions{})
		if err != nil || takeErr != nil {
			t.Fatal(err, takeErr)
		}
		w.owns(plugin + "1")
		if got, want := w.done("Start", "Stop"), fmt.Sprintf("%s1 Stop, %[1]s1 Start", plugin); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if got := taker.get("/" + plugin); !strings.HasPrefix(got, plugin+"1 ") {
			t.Errorf("the taker answers %q", got)
		}
	}
}

// TestLockInUse names who has the lock of a file, and what to do.
func TestLockInUse(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	lock := func() (*os.File, error) {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err == nil {
			t.Cleanup(func() { f.Close() })
			if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
				err = &os.PathError{Op: "lock", Path: name, Err: err}
			}
		}
		return f, err
	}
	f, err := lock()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	r := w.boots("a1")
	w.fail("a2 Start", func(context.Context) error { _, err := lock(); return err })
	_, err = r.deploy("a2")
	if refused := r.refusal(err, "a", PhaseStart); !strings.Contains(refused.Message, "the lock is held by this server") ||
		!strings.Contains(refused.Message, "take the lock in Start") {
		t.Errorf("the message is %q", refused.Message)
	}
	r.wants("/a", "a1 1")
	if err := unix.Flock(int(f.Fd()), unix.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	r.mustDeploy("a3")
}

// TestPortInUse names who has a port, and what to do.
func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w := newWorld(t)
	r := w.boots("a1")
	w.fail("a2 Start", func(context.Context) error {
		l, err := net.Listen("tcp", l.Addr().String())
		if err == nil {
			l.Close()
		}
		return err
	})
	_, err = r.deploy("a2")
	if refused := r.refusal(err, "a", PhaseStart); !strings.Contains(refused.Message, "held by this server") ||
		!strings.Contains(refused.Message, "set Exclusive") {
		t.Errorf("the message is %q", refused.Message)
	}
	r.wants("/a", "a1 1")
}
