package instance

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/pidfd"
	"github.com/sohost/sohost/internal/wall"
)

// markEnv is the variable of package wall that has another value in each child.
const markEnv = "SOHOST_PROBE_MARK"

// spared returns a prober with a spare child for the options.
func spared(t *testing.T, o ProbeOptions) *Prober {
	t.Helper()
	p := NewProber(slog.New(slog.DiscardHandler))
	t.Cleanup(p.Close)
	if err := p.MakeSpare(o); err != nil {
		t.Fatal(err)
	}
	return p
}

// markOf returns the mark of a running child.
func markOf(t *testing.T, pid int) string {
	t.Helper()
	var err error
	for limit := time.Now().Add(10 * time.Second); err == nil && time.Now().Before(limit); { // it is empty while the child executes its program
		var text []byte
		text, err = os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		for _, e := range bytes.Split(text, []byte{0}) {
			if mark, is := bytes.CutPrefix(e, []byte(markEnv+"=")); is {
				return string(mark)
			}
		}
	}
	t.Fatalf("process %d has no mark: %v", pid, err)
	return ""
}

// TestSpareIsUsedOnce: an image is opened in the child that waits for one, and never in one that has opened another.
func TestSpareIsUsedOnce(t *testing.T) {
	image := filepath.Join(t.TempDir(), "mark")
	p := spared(t, ProbeOptions{})
	for range 2 {
		spare := p.Spare()
		if spare == nil || spare.Since.IsZero() {
			t.Fatalf("the spare child is %+v", spare)
		}
		mark := markOf(t, spare.PID)
		if _, err := p.Probe(t.Context(), ProbeOptions{}, image); err == nil || err.Error() != mark {
			t.Errorf("probed in %v, want %s", err, mark)
		}
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", spare.PID)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the child %d is still there: %v", spare.PID, err)
		}
		if p.Spare() != nil {
			t.Error("there is another one, though none was made")
		}
		if _, err := p.Probe(t.Context(), ProbeOptions{}, image); err == nil || err.Error() == mark {
			t.Errorf("without a spare child probed in %v", err)
		}
		if err := errors.Join(p.MakeSpare(ProbeOptions{}), p.MakeSpare(ProbeOptions{})); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSpareJudges: whatever an image does, a spare child and a new one come to the same judgement, behind the same wall.
func TestSpareJudges(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rubbish"), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range []ProbeOptions{{Limit: time.Minute, Memory: 1 << 30}, {Unwalled: true}} {
		for _, action := range []string{"rubbish", "exit", "changes", "kill", "needs", "tries"} {
			if o.Unwalled && action != "exit" {
				continue
			}
			image := filepath.Join(dir, action)
			if action == "tries" {
				image += "@file"
			}
			cold := NewProber(slog.New(slog.DiscardHandler))
			was, wasErr := cold.Probe(t.Context(), o, image)
			p := spared(t, o)
			is, err := p.Probe(t.Context(), o, image)
			if !reflect.DeepEqual(is, was) || fmt.Sprint(err) != fmt.Sprint(wasErr) {
				t.Errorf("%s: a spare child says %+v, %v; a new one %+v, %v", action, is, err, was, wasErr)
			}
			if !reflect.DeepEqual(p.Layers(), cold.Layers()) {
				t.Errorf("%s: a spare child is behind %+v, a new one %+v", action, p.Layers(), cold.Layers())
			}
		}
	}
}

// TestSpareLimit: what an image takes in a spare child is bounded, too. TestPatience in package wall has what doesn't count.
func TestSpareLimit(t *testing.T) {
	o := ProbeOptions{Limit: 50 * time.Millisecond}
	p := spared(t, o)
	if _, err := p.Probe(t.Context(), o, filepath.Join(t.TempDir(), "hang")); !errors.Is(err, ErrTooSlow) {
		t.Error(err)
	}
}

// TestSpareIsKilled: that a spare child has ended before it got an image says nothing of the image.
func TestSpareIsKilled(t *testing.T) {
	for _, known := range []bool{false, true} {
		p := NewProber(slog.New(slog.DiscardHandler))
		t.Cleanup(p.Close)
		if known {
			p.MakeSpare(ProbeOptions{})
		} else { // as if the probe had begun just before anybody could see it
			c, output, err := p.start(wall.Options{})
			if err != nil {
				t.Fatal(err)
			}
			p.spares.spare = &spare{Child: c, child: c, output: output, inherited: ReadSettings(), taken: make(chan struct{}),
				stop: func() bool { return true }}
		}
		process, err := pidfd.Open(p.Spare().PID)
		if err != nil {
			t.Fatal(err)
		}
		defer process.Close()
		process.Kill()
		if !process.AwaitEnd(time.Minute) {
			t.Fatal("it goes on")
		}
		_, err = p.Probe(t.Context(), ProbeOptions{}, filepath.Join(t.TempDir(), "mark"))
		if err == nil || errors.Is(err, errEnded) {
			t.Errorf("known %v: %v", known, err)
		}
	}
}

// TestSpareIsStopped: a spare child that somebody has stopped holds no image up.
func TestSpareIsStopped(t *testing.T) {
	o := ProbeOptions{Limit: time.Hour}
	p := spared(t, o)
	pid := p.Spare().PID
	mark := markOf(t, pid)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(time.Minute); !pidfd.Stopped(pid) && time.Now().Before(limit); {
		runtime.Gosched()
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := p.Probe(ctx, o, filepath.Join(t.TempDir(), "mark")); err == nil || err.Error() == mark || ctx.Err() != nil {
		t.Errorf("probed in %v", err)
	}
}

// TestSpareEndsWithProcess: a spare child doesn't outlive the process that has started it, even if that is killed.
func TestSpareEndsWithProcess(t *testing.T) {
	const parent = "SOHOST_TEST_PARENT"
	if os.Getenv(parent) != "" {
		p := spared(t, ProbeOptions{})
		fmt.Println("spare", p.Spare().PID)
		select {}
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestSpareEndsWithProcess$")
	cmd.Env = append(os.Environ(), parent+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	pid, _ := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, "spare ")))
	process, openErr := pidfd.Open(pid)
	cmd.Process.Kill()
	cmd.Wait()
	if err != nil || openErr != nil {
		t.Fatalf("the process said %q, %v, %v", line, err, openErr)
	}
	defer process.Close()
	if !process.AwaitEnd(time.Minute) {
		t.Errorf("process %d is still there", pid)
	}
}

// standIn is a spare child that is no process.
type standIn struct {
	ended chan struct{} // closed when it ends of itself
	end   chan struct{} // closed by End
}

func (c *standIn) Pid() int               { return os.Getpid() }
func (c *standIn) Ended() <-chan struct{} { return c.ended }
func (c *standIn) End()                   { close(c.end) }

// stands returns spares whose children are no processes, the children as they are made, and the functions that the end of their time
// calls.
func stands(t *testing.T) (k *spares, made chan *standIn, idle chan func()) {
	made, idle = make(chan *standIn, 10), make(chan func(), 10)
	k = &spares{
		start: func(wall.Options) (spareChild, *firstOutput, error) {
			c := &standIn{make(chan struct{}), make(chan struct{})}
			made <- c
			return c, nil, nil
		},
		after: func(d time.Duration, f func()) func() bool {
			if d != spareIdle {
				t.Errorf("it waits %v", d)
			}
			idle <- f
			return func() bool { return true }
		},
	}
	t.Cleanup(k.close)
	return k, made, idle
}

func (c *standIn) hasEnded() bool {
	select {
	case <-c.end:
		return true
	default:
		return false
	}
}

// TestSpareEnds: of idleness, with its prober, and when a new one would be another.
func TestSpareEnds(t *testing.T) {
	some := wall.Options{Limit: time.Second}
	type rig struct {
		k    *spares
		c    *standIn
		idle func()
	}
	for name, test := range map[string]struct {
		then  func(r rig)
		taken bool // by a probe with the same options
		ended bool
	}{
		"nothing":           {func(rig) {}, true, false},
		"idle":              {func(r rig) { r.idle() }, false, true},
		"closed":            {func(r rig) { r.k.close() }, false, true},
		"died":              {func(r rig) { close(r.c.ended); <-r.c.end }, false, true},
		"other environment": {func(rig) { t.Setenv("SOHOST_TEST_SPARE", "x") }, false, true},
		"other options":     {func(r rig) { r.k.take(wall.Options{Unwalled: true}) }, true, false},
		"another is made":   {func(r rig) { r.k.make(some) }, true, false},
		"taken, then idle":  {func(r rig) { r.k.take(some); r.idle() }, false, false},
	} {
		k, made, idle := stands(t)
		if err := k.make(some); err != nil {
			t.Fatal(err)
		}
		r := rig{k, <-made, <-idle}
		test.then(r)
		if taken := k.take(some) != nil; taken != test.taken || r.c.hasEnded() != test.ended {
			t.Errorf("%s: taken %v, ended %v", name, taken, r.c.hasEnded())
		}
		if len(made) > 0 {
			t.Errorf("%s: another was made", name)
		}
		os.Unsetenv("SOHOST_TEST_SPARE")
	}
	k, made, _ := stands(t)
	k.close()
	if k.make(some); len(made) > 0 {
		t.Error("one is made after the end")
	}
	p := spared(t, ProbeOptions{})
	if err := p.MakeSpare(ProbeOptions{MustHold: true}); err != nil {
		t.Error(err)
	}
	if s := p.Spare(); s == nil || s.Memory < 0 {
		t.Errorf("the spare child is %+v", s)
	}
	if _, err := p.Probe(context.Background(), ProbeOptions{MustHold: true}); err != nil || p.Spare() == nil {
		t.Errorf("a probe that must know its wall used it: %v", err)
	}
}

// TestLongOrder: a child gets an order that is longer than a message of the wall.
func TestLongOrder(t *testing.T) {
	p := spared(t, ProbeOptions{})
	order := probeOrder{Images: []string{filepath.Join(t.TempDir(), "mark")}}
	for i := range 2_000 {
		order.Beside = append(order.Beside, fmt.Sprintf("/%0100d", i))
	}
	for _, child := range []string{"spare", "new"} {
		if _, err := p.probe(t.Context(), ProbeOptions{}, order); err == nil || len(err.Error()) != len(markOf(t, spared(t, ProbeOptions{}).Spare().PID)) {
			t.Errorf("a %s child: %v", child, err)
		}
	}
}
