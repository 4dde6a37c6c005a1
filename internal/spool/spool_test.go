package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/fault"
)

func open(t *testing.T, dir string) *Log {
	t.Helper()
	l, err := Open(Options{Dir: dir, Limit: 1 << 20, Segment: 200})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func put(t *testing.T, l *Log, payload string) uint64 {
	t.Helper()
	n, done, err := l.Append([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return n
}

// hang bounds waits for records. It is reached only when something is broken: thousands of syncs take their time on a busy disk.
const hang = 5 * time.Minute

// next returns the next n records.
func next(t *testing.T, r *Reader, n int) (payloads []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	last := uint64(0)
	for range n {
		at, payload, err := r.Next(ctx)
		if err != nil || at <= last {
			t.Fatalf("after %q: record %d after %d, %v", payloads, at, last, err)
		}
		last = at
		payloads = append(payloads, string(payload))
	}
	return payloads
}

// nothing checks that there is no record now.
func nothing(t *testing.T, r *Reader) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, payload, err := r.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("there is record %d: %q, %v", n, payload, err)
	}
}

func counted(from, to int) (payloads []string) {
	for i := from; i < to; i++ {
		payloads = append(payloads, fmt.Sprintf("record %d", i))
	}
	return payloads
}

// TestEpochs appends from one process after the other, here logs, and reads all from every place.
func TestEpochs(t *testing.T) {
	dir := t.TempDir()
	var numbers []uint64
	for epoch := range 4 {
		l := open(t, dir)
		for i := range 40 * (epoch % 2) { // those between have no records
			numbers = append(numbers, put(t, l, fmt.Sprintf("record %d", epoch/2*40+i)))
		}
		if epoch < 3 {
			l.Close()
			continue
		}
		if !slices.IsSorted(numbers) {
			t.Errorf("the numbers are %v", numbers)
		}
		for from := range 80 {
			r := l.NewReader(numbers[from])
			if got := next(t, r, 80-from); !slices.Equal(got, counted(from, 80)) {
				t.Errorf("from %d: %q", from, got)
			}
			nothing(t, r)
			r.Close()
		}
		r := l.NewReader(0)
		if got := next(t, r, 80); !slices.Equal(got, counted(0, 80)) {
			t.Errorf("from the beginning: %q", got)
		}
		put(t, l, "last")
		if got := next(t, r, 1); got[0] != "last" {
			t.Errorf("then it reads %q", got)
		}
		r.Close()
	}
}

// TestTwoWriters has a log that is still appended to when the next one is opened: readers of that see all of the first before
// anything of the second.
func TestTwoWriters(t *testing.T) {
	dir := t.TempDir()
	first, second := open(t, dir), open(t, dir)
	put(t, first, "a")
	put(t, second, "c")
	r := second.NewReader(0)
	defer r.Close()
	nothing(t, r)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if first.Turn(gone) != nil || second.Turn(gone) == nil {
		t.Error("it is the second one's turn")
	}
	var got []string
	read := make(chan bool)
	go func() { got = next(t, r, 3); close(read) }()
	put(t, first, "b")
	first.Close()
	if err := second.Turn(t.Context()); err != nil {
		t.Error(err)
	}
	<-read
	if want := []string{"a", "b", "c"}; !slices.Equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
}

// TestRelease checks that what is released is removed, and no more.
func TestRelease(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	for i := range 40 {
		put(t, l, fmt.Sprintf("record %d", i))
	}
	l.Close()
	l = open(t, dir)
	var numbers []uint64
	for i := range 40 {
		numbers = append(numbers, put(t, l, fmt.Sprintf("record %d", 40+i)))
	}
	size := l.Size()
	if err := l.Release(numbers[20]); err != nil {
		t.Fatal(err)
	}
	r := l.NewReader(0)
	defer r.Close()
	rest := next(t, r, 1)[0]
	var first int
	fmt.Sscanf(rest, "record %d", &first)
	if first > 60 || first < 40 || l.Size() >= size {
		t.Errorf("after the release of 60 records %s is the first, %d of %d bytes", rest, l.Size(), size)
	}
	if got := next(t, r, 79-first); !slices.Equal(got, counted(first+1, 80)) {
		t.Errorf("then it reads %q", got)
	}
	if epochs, _ := epochsIn(dir); len(epochs) != 1 {
		t.Errorf("there are epochs %v", epochs)
	}
	segments, _ := list(dir)
	total := int64(0)
	for _, s := range segments {
		total += s.size
	}
	if total != l.Size() {
		t.Errorf("it has %d bytes on disk, and says %d", total, l.Size())
	}
}

// TestDamage cuts and changes a log of several segments at each byte: everything is read up to the damage, and everything of other
// segments.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	for i := range 30 {
		put(t, l, fmt.Sprintf("record %d", i))
	}
	l.Close()
	segments, err := list(dir)
	if err != nil || len(segments) < 3 {
		t.Fatal(segments, err)
	}
	reader := open(t, dir)
	damaged := segments[1]
	whole, err := os.ReadFile(damaged.path(dir))
	if err != nil {
		t.Fatal(err)
	}
	for at := range whole {
		for _, b := range [][]byte{whole[:at], append(append(bytes.Clone(whole[:at]), whole[at]^1), whole[at+1:]...)} {
			if err := os.WriteFile(damaged.path(dir), b, 0o600); err != nil {
				t.Fatal(err)
			}
			r := reader.NewReader(0)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			var got []string
			for {
				_, payload, err := r.Next(ctx)
				if err != nil {
					break
				}
				got = append(got, string(payload))
			}
			r.Close()
			before := slices.Index(got, fmt.Sprintf("record %d", segments[2].first))
			if before < int(damaged.first) || !slices.Equal(got, append(counted(0, before), counted(int(segments[2].first), 30)...)) {
				t.Fatalf("damaged at byte %d, it reads %q", at, got)
			}
		}
	}
}

// TestLimit fills a spool, and releases what is in it.
func TestLimit(t *testing.T) {
	l, err := Open(Options{Dir: t.TempDir(), Limit: 300, Segment: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	kept, last := 0, uint64(0)
	for {
		n, done, err := l.Append(make([]byte, 50))
		if errors.Is(err, ErrFull) {
			break
		}
		if err = errors.Join(err, <-done); err != nil {
			t.Fatal(err)
		}
		kept++
		last = n
	}
	if kept != 5 || l.Size() != 5*58 {
		t.Errorf("%d records of 58 bytes in a spool of 300: %d bytes", kept, l.Size())
	}
	if err := l.Release(last + 1); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.Append(make([]byte, 50)); err != nil {
		t.Errorf("after a release: %v", err)
	}
}

// TestLimitOfTwo has a writer append after the next one has opened the spool. What the next one releases of that leaves it the room that
// there is, and no more.
func TestLimitOfTwo(t *testing.T) {
	dir := t.TempDir()
	first, second := open(t, dir), open(t, dir)
	for range 50 {
		put(t, first, "of the first")
	}
	put(t, second, "of the second")
	first.Close()
	if err := second.Release(second.Start()); err != nil {
		t.Fatal(err)
	}
	left, err := list(dir)
	if err != nil || len(left) != 1 || second.Size() != left[0].size {
		t.Errorf("it has %d bytes, and on disk are %+v, %v", second.Size(), left, err)
	}
	for n := range 50 {
		put(t, second, fmt.Sprint(n))
	}
	third := open(t, dir)
	put(t, second, "after the third one has opened it")
	second.Close()
	err = third.Release(0)
	left, listed := list(dir)
	size := int64(0)
	for _, s := range left {
		size += s.size
	}
	if err := errors.Join(err, listed); err != nil || third.Size() != size {
		t.Errorf("it has %d bytes, and on disk are %d, %v", third.Size(), size, err)
	}
}

// TestFailuresTogether has a new segment's first write fail, and then its sync. The log goes on.
func TestFailuresTogether(t *testing.T) {
	l, err := Open(Options{Dir: t.TempDir(), Limit: 1 << 20, Segment: 30}) // two records
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var syncs, writes atomic.Int64
	let := make(chan struct{})
	restore := fault.Set(func(kind, what string) (fault.Action, time.Duration) {
		switch {
		case kind == "spool" && what == "sync":
			switch syncs.Add(1) { // the second one is begin's
			case 1:
				<-let
			case 3:
				return fault.Fail, 0
			}
		case kind == "spool" && what == "write":
			if writes.Add(1) == 3 {
				return fault.Fail, 0
			}
		}
		return fault.None, 0
	})
	defer restore()
	appended := func(payload string) <-chan error {
		t.Helper()
		_, done, err := l.Append([]byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	one := appended("the first one")
	for syncs.Load() == 0 {
		runtime.Gosched()
	}
	two := appended("the second one")
	if _, _, err := l.Append([]byte("the third one")); !errors.Is(err, fault.Err) {
		t.Fatal(err)
	}
	close(let)
	if err := errors.Join(<-one, <-two); err != nil {
		t.Fatal(err)
	}
	for l.openFile() { // until the sync of what has no records has failed
		runtime.Gosched()
	}
	restore()
	put(t, l, "the fourth one")
	if got := next(t, l.NewReader(0), 3); !slices.Equal(got, []string{"the first one", "the second one", "the fourth one"}) {
		t.Errorf("it has %q", got)
	}
}

func (l *Log) openFile() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file != nil
}

// TestHammer appends and reads at once.
func TestHammer(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(Options{Dir: dir, Limit: 64 << 20, Segment: 4 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const writers, each = 8, 200
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				_, done, err := l.Append(fmt.Appendf(nil, "%d %d", w, i))
				if err = errors.Join(err, <-done); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var reading sync.WaitGroup
	for range 3 {
		reading.Go(func() {
			r := l.NewReader(0)
			defer r.Close()
			seen := [writers]int{}
			for _, payload := range next(t, r, writers*each) {
				var w, i int
				fmt.Sscanf(payload, "%d %d", &w, &i)
				if i != seen[w] {
					t.Errorf("record %s comes after %d others of its writer", payload, seen[w])
				}
				seen[w]++
			}
		})
	}
	writing.Wait()
	reading.Wait()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, _, err := l.Append(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, _, err := l.NewReader(0).Next(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestLostDirectory removes the directory, or only the segment, while records are appended. Whoever waits for a record in there is told that it
// is lost; later ones are on disk, in an epoch that nobody else takes for over.
func TestLostDirectory(t *testing.T) {
	for _, what := range []string{"", "000001", "000001/000000000000"} {
		dir := filepath.Join(t.TempDir(), "spool")
		l := open(t, dir)
		put(t, l, "lost, and told to be on disk")
		if err := os.RemoveAll(filepath.Join(dir, what)); err != nil {
			t.Fatal(err)
		}
		_, done, err := l.Append([]byte("lost"))
		if err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, ErrRemoved) {
			t.Errorf("without %q: %v", what, err)
		}
		put(t, l, "kept")
		if size := l.Size(); size != int64(headSize+len("kept")) {
			t.Errorf("without %q: %d bytes", what, size)
		}
		after := open(t, dir)
		if after.over(1) {
			t.Errorf("without %q: another process takes the epoch for over", what)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		r := after.NewReader(0)
		if got := next(t, r, 1); got[0] != "kept" {
			t.Errorf("without %q: read %q", what, got)
		}
		r.Close()
	}
	above := filepath.Join(t.TempDir(), "store")
	if err := os.Mkdir(above, 0o700); err != nil {
		t.Fatal(err)
	}
	l := open(t, filepath.Join(above, "spool"))
	if err := os.RemoveAll(above); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.Append([]byte("x")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a store: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// TestLostFiles removes all files of an epoch with several segments, but not its directory. Later records are kept in an epoch that nobody else
// takes for over, and what was removed takes no room.
func TestLostFiles(t *testing.T) {
	for _, what := range []string{"*", "0*"} { // with the lock, and without
		dir := t.TempDir()
		l := open(t, dir)
		for i := range 40 {
			put(t, l, fmt.Sprintf("record %d", i))
		}
		files, err := filepath.Glob(filepath.Join(dir, "000001", what))
		if err != nil || len(files) < 4 {
			t.Fatal(files, err)
		}
		for _, file := range files {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
		_, done, err := l.Append([]byte("lost"))
		if err == nil {
			err = <-done
		}
		if !errors.Is(err, ErrRemoved) {
			t.Errorf("%s: %v", what, err)
		}
		put(t, l, "kept")
		if size := l.Size(); size != int64(headSize+len("kept")) {
			t.Errorf("%s: %d bytes", what, size)
		}
		if open(t, dir).over(1) {
			t.Errorf("%s: another process takes the epoch for over", what)
		}
	}
}

// TestFailures lets every third write or sync fail, as on a full disk. Exactly the records that were told to be on disk are read, by this log and by the
// next one.
func TestFailures(t *testing.T) {
	for _, what := range []string{"write", "sync"} {
		dir := t.TempDir()
		l := open(t, dir)
		var asked atomic.Int64
		restore := fault.Set(func(kind, at string) (fault.Action, time.Duration) {
			if kind == "spool" && at == what && asked.Add(1)%3 == 0 {
				return fault.Fail, 0
			}
			return fault.None, 0
		})
		var want []string
		failed := 0
		for i := range 60 {
			payload := fmt.Sprintf("record %d", i)
			_, done, err := l.Append([]byte(payload))
			if err == nil {
				err = <-done
			}
			if err == nil {
				want = append(want, payload)
			} else if failed++; !errors.Is(err, fault.Err) {
				t.Fatal(err)
			}
		}
		restore()
		if failed < 15 {
			t.Errorf("only %d %ss have failed", failed, what)
		}
		put(t, l, "last")
		want = append(want, "last")
		r := l.NewReader(0)
		if got := next(t, r, len(want)); !slices.Equal(got, want) {
			t.Errorf("%s: read %q, want %q", what, got, want)
		}
		nothing(t, r)
		r.Close()
		l.Close()
		after := open(t, dir)
		r = after.NewReader(0)
		if got := next(t, r, len(want)); !slices.Equal(got, want) {
			t.Errorf("%s: then read %q, want %q", what, got, want)
		}
		r.Close()
	}
}
