package watch

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

func TestSettling(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.so")
	write(t, path, "1")
	synctest.Test(t, func(t *testing.T) {
		k := newKernel()
		w := start(Options{}, k.source())
		defer w.Close()
		var events []time.Duration
		begin := time.Now()
		_, err := w.File(path, func(Event) { events = append(events, time.Since(begin)) })
		must(t, err)
		expect := func(what string, want ...time.Duration) {
			t.Helper()
			time.Sleep(time.Minute)
			synctest.Wait()
			if !reflect.DeepEqual(events, want) {
				t.Errorf("%s: events at %v, want %v", what, events, want)
			}
			events, begin = nil, time.Now()
		}

		k.report(path, unix.IN_CLOSE_WRITE)
		expect("one change", 50*time.Millisecond)

		for range 10 {
			k.report(path, unix.IN_CLOSE_WRITE)
			time.Sleep(49 * time.Millisecond)
		}
		expect("ten changes in pieces", 9*49*time.Millisecond+50*time.Millisecond)

		for range 100 {
			k.report(path, unix.IN_CLOSE_WRITE)
			time.Sleep(49 * time.Millisecond)
		}
		// The change at 2.009 s is the first of those that wait for the second event, and so on.
		expect("a writer without end", 2*time.Second, 4009*time.Millisecond, 99*49*time.Millisecond+50*time.Millisecond)

		k.report(path, unix.IN_CREATE)
		time.Sleep(time.Second)
		k.report(path, unix.IN_CLOSE_WRITE)
		expect("made, written for a second and closed", 1050*time.Millisecond)

		k.report(path, unix.IN_CREATE)
		time.Sleep(time.Second)
		write(t, path, "more")
		expect("made and kept open, nothing to look at yet")
		k.report(path, unix.IN_CLOSE_WRITE)
		expect("closed at last", 50*time.Millisecond)

		k.report(path, unix.IN_CREATE)
		expect("linked into place, whole", 2*time.Second)

		write(t, path, "")
		k.report(path, unix.IN_CREATE)
		expect("made and kept open, empty")

		must(t, os.Link(path, path+".other"))
		k.report(path, unix.IN_CREATE)
		expect("a hard link", 50*time.Millisecond)

		k.report(filepath.Join(filepath.Dir(path), "y.so"), unix.IN_CLOSE_WRITE)
		expect("another file")
	})
}

func TestPollSettling(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.so")
	synctest.Test(t, func(t *testing.T) {
		w := New(Options{ForcePoll: true})
		defer w.Close()
		var events []time.Duration
		begin := time.Now()
		_, err := w.File(path, func(Event) { events = append(events, time.Since(begin)) })
		must(t, err)
		time.Sleep(500 * time.Millisecond)
		for i := range 10 { // a slow writer, seen at 1 s to 10 s
			write(t, path, strings.Repeat("x", i+1))
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		want := []time.Duration{3 * time.Second, 6 * time.Second, 9 * time.Second, 11 * time.Second}
		if !reflect.DeepEqual(events, want) {
			t.Errorf("events at %v, want %v", events, want)
		}
	})
}
