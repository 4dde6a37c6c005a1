package backlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/fault"
	"github.com/sohost/sohost/internal/lineprotocol"
	"github.com/sohost/sohost/internal/spool"
	"github.com/sohost/sohost/internal/triggers"
)

func open(t *testing.T, dir string, o Options) *Log {
	t.Helper()
	o.Dir, o.Logger = dir, slog.New(slog.DiscardHandler)
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// add appends a write of one row, whose value is n.
func (l *Log) add(n int) error {
	w := Write{Database: "db", Precision: lineprotocol.Second, Received: time.Unix(7, 0), Text: fmt.Appendf(nil, "cpu v=%di\nnot a line\n", n)}
	w.Tables = lineprotocol.Parse(w.Text, lineprotocol.Options{Precision: w.Precision, Now: w.Received}).Tables
	return l.Append(w)
}

// values reads so many writes after a number.
func (l *Log) values(t *testing.T, after uint64, n int) (values []int64, last uint64) {
	t.Helper()
	r := l.Read(after)
	defer r.Close()
	for range n {
		w, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if w.Seq <= last || w.Database != "db" || !w.Received.Equal(time.Unix(7, 0)) || w.Tables[0].Times[0] != 7e9 {
			t.Fatalf("read %+v after %d", w, last)
		}
		values, last = append(values, w.Tables[0].Columns[0].Ints[0]), w.Seq
	}
	return values, last
}

// TestBacklog reads writes from memory and from disk, in this process and in the next, which begins where a position is.
func TestBacklog(t *testing.T) {
	for _, window := range []int64{1, 150, 1 << 20} { // bytes in memory: nothing, some writes, all
		dir := t.TempDir()
		l := open(t, dir, Options{Window: window})
		begin := l.End()
		for n := range 10 {
			if err := l.add(n); err != nil {
				t.Fatal(err)
			}
		}
		all, end := l.values(t, begin, 10)
		if want := []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}; !slices.Equal(all, want) || end != l.End() {
			t.Errorf("read %v up to %d, want %v up to %d", all, end, want, l.End())
		}
		_, third := l.values(t, begin, 3)
		next := open(t, dir, Options{Window: window})
		if next.End() < end {
			t.Errorf("the next process begins with %d, and the last write was %d", next.End(), end)
		}
		if err := next.add(10); err != nil { // before the first one is closed
			t.Fatal(err)
		}
		l.Close()
		if rest, _ := next.values(t, third, 8); !slices.Equal(rest, []int64{3, 4, 5, 6, 7, 8, 9, 10}) {
			t.Errorf("the next process has %v", rest)
		}
		if err := next.Release(next.End()); err != nil {
			t.Fatal(err)
		}
		if _, err := next.Read(next.End()).Next(ended()); !errors.Is(err, context.Canceled) {
			t.Errorf("after the end: %v", err)
		}
	}
}

func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// TestBacklogWriters has readers follow four writers. Each reads every write once, in one order.
func TestBacklogWriters(t *testing.T) {
	l := open(t, t.TempDir(), Options{Window: 500})
	const each = 50
	begin := l.End()
	var tasks sync.WaitGroup
	for w := range 4 {
		tasks.Go(func() {
			for n := range each {
				if err := l.add(w*each + n); err != nil {
					t.Error(err)
				}
			}
		})
	}
	read := make([][]int64, 3)
	for i := range read {
		tasks.Go(func() { read[i], _ = l.values(t, begin, 4*each) })
	}
	tasks.Wait()
	if !slices.Equal(read[0], read[1]) || !slices.Equal(read[0], read[2]) {
		t.Error("the readers see different orders")
	}
	slices.Sort(read[0])
	for i, v := range read[0] {
		if int(v) != i {
			t.Fatalf("write %d was read as %d", i, v)
		}
	}
}

// TestBacklogFaults has writes fail that can't be brought to the disk, or for which there is no room. No reader sees them, and those after
// them are taken.
func TestBacklogFaults(t *testing.T) {
	for _, at := range []string{"write", "sync"} {
		l := open(t, t.TempDir(), Options{})
		begin := l.End()
		if err := l.add(1); err != nil {
			t.Fatal(err)
		}
		undo := fault.Set(func(kind, what string) (fault.Action, time.Duration) {
			if kind == "spool" && what == at {
				return fault.Fail, 0
			}
			return fault.None, 0
		})
		if err := l.add(2); !errors.Is(err, fault.Err) {
			t.Errorf("%s: a write of which nothing is on disk: %v", at, err)
		}
		undo()
		if err := l.add(3); err != nil {
			t.Errorf("%s: after the disk is well again: %v", at, err)
		}
		if got, _ := l.values(t, begin, 2); !slices.Equal(got, []int64{1, 3}) {
			t.Errorf("%s: read %v", at, got)
		}
	}
	l := open(t, t.TempDir(), Options{Limit: 2000})
	taken := 0
	for ; l.add(taken) == nil; taken++ {
	}
	if err := l.add(0); !errors.Is(err, spool.ErrFull) || taken < 20 || !l.Crowded() {
		t.Fatalf("%d were taken, then %v", taken, err)
	}
	if s := l.Status(); s.Bytes > s.Limit || !s.Oldest.Equal(time.Unix(7, 0)) {
		t.Errorf("status: %+v", s)
	}
	if err := errors.Join(l.Release(l.End()), l.add(1)); err != nil || l.Crowded() {
		t.Errorf("after a release: %v", err)
	}
}

var _ triggers.Backlog = (*Log)(nil)
