package generations

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lockServer and lockWorker are the variables that make the test binary a process that takes the lock of the store in the
// directory they name, and one that is passed the lock.
const (
	lockServer = "GENERATIONS_TEST_LOCK_SERVER"
	lockWorker = "GENERATIONS_TEST_LOCK_WORKER"
)

// serveLocked takes the lock, passes it to a worker and waits.
func serveLocked(dir string) error {
	lock, err := AcquireLock(context.Background(), dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), lockServer+"=", lockWorker+"="+dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{lock.File()}
	return cmd.Run()
}

// workLocked opens the store with the lock that it inherited, says so, and at the end of its input writes to the store.
func workLocked(dir string) error {
	lock := InheritLock(os.NewFile(3, "inherited"))
	flags, err := unix.FcntlInt(lock.File().Fd(), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		return fmt.Errorf("the worker's own children inherit the lock: flags %#x, %v", flags, err)
	}
	s, err := OpenStore(dir, StoreOptions{Log: quiet.Log, Lock: lock})
	if err != nil {
		return err
	}
	fmt.Println("open")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return s.AppendEvent(Event{Plugin: "the worker's last"})
}

// startLocked starts a server with its worker, and gives the writer whose end lets the worker end.
func startLocked(t *testing.T, dir string) (server *exec.Cmd, worker *os.File) {
	t.Helper()
	stdin, worker, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { worker.Close() })
	stdout, output, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close()
	server = exec.Command(os.Args[0], "-test.run=^$")
	server.Env = append(os.Environ(), lockServer+"="+dir)
	server.Stdin, server.Stdout, server.Stderr = stdin, output, os.Stderr
	err = server.Start()
	stdin.Close()
	output.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
	})
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "open\n" {
		t.Fatalf("the worker said %q, %v", line, err)
	}
	return server, worker
}

// killLocked kills the server and returns when it is dead. Nobody has waited for it then, as in a container without an init.
func killLocked(t *testing.T, server *exec.Cmd) {
	t.Helper()
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Waitid(unix.P_PID, server.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
}

// The lock outlives the process that took it, for as long as one lives that it was passed to.
func TestLockOutlivesServer(t *testing.T) {
	dir := t.TempDir()
	server, worker := startLocked(t, dir)
	_, err := AcquireLock(t.Context(), dir)
	wantLocked(t, err, server.Process.Pid, nil)
	if _, err := OpenStore(dir, quiet); !errors.Is(err, ErrLocked) {
		t.Errorf("OpenStore beside a live server: %v", err)
	}

	killLocked(t, server)
	if _, err := OpenStore(dir, quiet); !errors.Is(err, ErrLocked) {
		t.Errorf("OpenStore beside a worker without its server: %v", err)
	}
	impatient := errors.New("impatient")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, impatient)
	defer cancel()
	_, err = AcquireLock(ctx, dir)
	wantLocked(t, err, server.Process.Pid, impatient)
	if !strings.Contains(err.Error(), "left over from a dead server") {
		t.Errorf("error %q doesn't say why it is locked", err)
	}

	worker.Close()
	lock, err := AcquireLock(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	s, err := OpenStore(dir, StoreOptions{Log: quiet.Log, Lock: lock})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	wantPlugins(t, s, "the worker's last") // so AcquireLock has waited for it
	_, err = AcquireLock(t.Context(), dir)
	wantLocked(t, err, os.Getpid(), nil)
}

// Of several that wait one gets the lock, and the others hear that a live process has it.
func TestLockWaitersHearOfNewHolder(t *testing.T) {
	dir := t.TempDir()
	server, worker := startLocked(t, dir)
	killLocked(t, server)
	type result struct {
		lock *Lock
		err  error
	}
	results := make(chan result)
	const waiters = 3
	for range waiters {
		go func() {
			lock, err := AcquireLock(t.Context(), dir)
			results <- result{lock, err}
		}()
	}
	worker.Close()
	held := 0
	for range waiters {
		r := <-results
		if r.err != nil {
			wantLocked(t, r.err, os.Getpid(), nil)
			continue
		}
		held++
		defer r.lock.Close()
	}
	if held != 1 {
		t.Errorf("%d hold the lock", held)
	}
}

// A wait that ctx has ended leaves nothing that keeps the lock from others, once it is free.
func TestLockLeftWaiterLetsGo(t *testing.T) {
	dir := t.TempDir()
	lock := acquireLock(t, dir)
	inherited := passed(t, lock)
	lock.Close() // which leaves the lock to the other, and no pid
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		_, err := AcquireLock(ctx, dir)
		wantLocked(t, err, 0, context.Canceled)
	}
	inherited.Close()
	for range 10 {
		lock, err := AcquireLock(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		lock.Close()
	}
}

func TestLockRecordsPID(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by", "AcquireLock")
	lock := acquireLock(t, dir)
	recorded := func() string {
		data, err := os.ReadFile(filepath.Join(dir, lockFile))
		if err != nil {
			t.Error(err)
		}
		return string(data)
	}
	own := strconv.Itoa(os.Getpid())
	passed(t, lock).Close()
	if got := recorded(); got != own {
		t.Errorf("an inheritor's Close leaves %q in the file, want %q", got, own)
	}
	if err := errors.Join(lock.Close(), lock.Close()); err != nil {
		t.Error(err)
	}
	if got := recorded(); got != "" {
		t.Errorf("the acquirer's Close leaves %q in the file", got)
	}
}

func TestOpenStoreWithLock(t *testing.T) {
	dir := t.TempDir()
	lock := acquireLock(t, dir)
	opts := StoreOptions{Log: quiet.Log, Lock: lock}
	for range 2 {
		s, err := OpenStore(dir, opts)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenStore(dir, quiet); !errors.Is(err, ErrLocked) {
			t.Fatalf("a store's Close has let go of the lock that was given to it: %v", err)
		}
	}
	lock.Close()
	if _, err := OpenStore(dir, opts); !errors.Is(err, os.ErrClosed) {
		t.Errorf("OpenStore with a lock that is closed: %v", err)
	}
	s, err := OpenStore(dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

func TestOpenStoreRefusesForeignLock(t *testing.T) {
	other := acquireLock(t, t.TempDir())
	for _, dir := range []string{t.TempDir(), newStore(t).Dir()} {
		_, err := OpenStore(dir, StoreOptions{Lock: other})
		wantIs(t, err, ErrWrongLock)
		var wrong *WrongLockError
		if !errors.As(err, &wrong) || wrong.Dir != dir {
			t.Errorf("OpenStore = %v, want %s in it", err, dir)
		}
	}
	// The right file, opened anew: another holds the lock.
	s := newStore(t)
	f, err := os.Open(filepath.Join(s.Dir(), lockFile))
	if err != nil {
		t.Fatal(err)
	}
	imposter := InheritLock(f)
	defer imposter.Close()
	_, err = OpenStore(s.Dir(), StoreOptions{Lock: imposter})
	wantLocked(t, err, os.Getpid(), nil)
}

func TestAlive(t *testing.T) {
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := descriptors()
	for range 20 {
		if !alive(os.Getpid(), 0) || alive(0, 0) || alive(-1, 0) {
			t.Error("this process counts as gone, or none as alive")
		}
	}
	if after := descriptors(); after > before+5 {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if alive(cmd.Process.Pid, 0) {
		t.Error("a process that was waited for counts as alive")
	}
}

func TestHolder(t *testing.T) {
	for content, want := range map[string]int{"": 0, "12": 12, " 12\n": 12, "-3": 0, "x": 0, "12 x": 0} {
		f, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		f.WriteString(content)
		if got := holder(f); got != want {
			t.Errorf("holder of %q = %d, want %d", content, got, want)
		}
	}
}

func acquireLock(t *testing.T, dir string) *Lock {
	t.Helper()
	lock, err := AcquireLock(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	return lock
}

// passed gives what another process would have that the lock is passed to.
func passed(t *testing.T, l *Lock) *Lock {
	t.Helper()
	fd, err := unix.Dup(int(l.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	inherited := InheritLock(os.NewFile(uintptr(fd), "passed"))
	t.Cleanup(func() { inherited.Close() })
	return inherited
}

func wantLocked(t *testing.T, err error, pid int, cause error) {
	t.Helper()
	var locked *LockedError
	if !errors.As(err, &locked) || !errors.Is(err, ErrLocked) || locked.PID != pid || locked.Err != cause {
		t.Errorf("error %v, want a LockedError of process %d with cause %v", err, pid, cause)
	}
}

// TestLockRemoved removes the lock of a store that is open. Another one can take the store then, so nothing is written any more.
func TestLockRemoved(t *testing.T) {
	s, err := OpenStore(t.TempDir(), StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	writes := map[string]func() error{
		"Publish":        func() error { _, err := s.Publish(Manifest{}); return err },
		"AppendEvent":    func() error { return s.AppendEvent(Event{Kind: KindBoot}) },
		"Quarantine":     func() error { return s.Quarantine(Quarantine{Image: ID{1}}) },
		"LiftQuarantine": func() error { _, err := s.LiftQuarantine(ID{1}.String()); return err },
		"Confirm":        func() error { return s.Confirm(1) },
		"Prune":          func() error { _, err := s.Prune(PruneOptions{}); return err },
	}
	for _, name := range []string{"Publish", "AppendEvent", "Quarantine", "LiftQuarantine", "Confirm", "Prune"} {
		if err := writes[name](); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	lock := filepath.Join(s.Dir(), lockFile)
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadDir(s.releases())
	if err != nil {
		t.Fatal(err)
	}
	for _, taken := range []bool{false, true} {
		if taken {
			other, err := OpenStore(s.Dir(), StoreOptions{})
			if err != nil {
				t.Fatalf("the other one: %v", err)
			}
			defer other.Close()
		}
		for name, write := range writes {
			err := write()
			wantIs(t, err, ErrWrongLock)
			if err != nil && !strings.Contains(err.Error(), "another server may have taken the store") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if after, err := os.ReadDir(s.releases()); err != nil || len(after) != len(before) {
		t.Errorf("%d releases have become %d, %v", len(before), len(after), err)
	}
}
