package inflight

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
	"golang.org/x/sys/unix"
)

func memoryFile(t testing.TB) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate("calls", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "calls")
	t.Cleanup(func() { f.Close() })
	return f
}

func newTable(t testing.TB) (*Table, *os.File) {
	t.Helper()
	f := memoryFile(t)
	table, err := NewTable(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(table.memory) })
	return table, f
}

func id(name string) (id generations.ID) {
	copy(id[:], name)
	return id
}

func read(t *testing.T, f *os.File) []Image {
	t.Helper()
	s, err := Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return s.Images
}

func want(t *testing.T, f *os.File, images ...Image) {
	t.Helper()
	if got := read(t, f); len(got)+len(images) > 0 && !reflect.DeepEqual(got, images) {
		t.Errorf("in the table are %+v, want %+v", got, images)
	}
}

// TestTable follows one instance through its life.
func TestTable(t *testing.T) {
	table, f := newTable(t)
	want(t, f)
	r := table.Claim("a", id("a1"))
	want(t, f) // nothing runs
	leave := r.Enter(New)
	want(t, f, Image{Plugin: "a", Image: id("a1"), Steps: []string{"New"}})
	leave()
	r.SetBackground(true)
	want(t, f, Image{Plugin: "a", Image: id("a1"), Background: true})

	var slot generations.Slot[int]
	g := NewGeneration(r, id("a1"), 7)
	if _, err := slot.Swap(g); err != nil {
		t.Fatal(err)
	}
	first, err := slot.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, _ := slot.Acquire(t.Context())
	want(t, f, Image{Plugin: "a", Image: id("a1"), Calls: 2, Background: true})
	first.Release()
	second.Release()
	if _, err := slot.Swap(nil); err != nil {
		t.Fatal(err)
	}
	if err := g.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	hanging := r.Enter(Close) // which was given up
	r.Release()
	want(t, f, Image{Plugin: "a", Image: id("a1"), Steps: []string{"Close"}, Background: true})
	hanging()
	want(t, f)
	r.Enter(Stop)()
	r.SetBackground(true)
	want(t, f)
}

// serve has a generation serve for a moment.
func serve(t *testing.T, g *generations.Generation[int]) {
	t.Helper()
	var slot generations.Slot[int]
	if _, err := slot.Swap(g); err != nil {
		t.Fatal(err)
	}
	lease, ok := slot.TryAcquire()
	if !ok {
		t.Fatal("a generation that serves lends nothing")
	}
	lease.Release()
	if _, err := slot.Swap(nil); err != nil {
		t.Fatal(err)
	}
	if err := g.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestReuse claims a row again only when nobody can have its counters any more: an Acquire that was overtaken by a swap still adds
// one to them, and takes it back.
func TestReuse(t *testing.T) {
	table, _ := newTable(t)
	r := table.Claim("a", id("a1"))
	g := NewGeneration(r, id("a1"), 7)
	serve(t, g)
	index := r.index
	r.Release()
	runtime.GC()
	if other := table.Claim("b", id("b1")); other.index == index {
		t.Error("the row of a generation that is still there was claimed again")
	}
	runtime.KeepAlive(g)
	g = nil
	for deadline := time.Now().Add(time.Minute); ; runtime.Gosched() {
		runtime.GC()
		if other := table.Claim("c", id("c1")); other.index == index {
			serve(t, NewGeneration(other, id("c1"), 8))
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the row of a generation that is garbage was not claimed again")
		}
	}
	never := table.Claim("d", id("d1")) // no generation was made
	never.Release()
	if again := table.Claim("e", id("e1")); again.index != never.index {
		t.Error("a row without a generation was not claimed again")
	}
}

// TestFull fills a table: what has no row is served all the same, and the reader knows that there may be more.
func TestFull(t *testing.T) {
	table, f := newTable(t)
	for range maxRows {
		if table.Claim("a", id("a1")) == nil {
			t.Fatal("there is no row left too early")
		}
	}
	if r := table.Claim("b", id("b1")); r != nil {
		t.Error("there is one row too many")
	}
	if s, err := Read(f); err != nil || !s.Partial {
		t.Errorf("read is %+v, %v", s, err)
	}
	var none *Table
	none.Claim("a", id("a1")).Enter(New)()
	if g := NewGeneration(none.Claim("a", id("a1")), id("a1"), 7); g.Value() != 7 {
		t.Error("without a table there is no generation")
	}
}

// TestForeign reads files that are no tables.
func TestForeign(t *testing.T) {
	f := memoryFile(t)
	if s, err := Read(f); err == nil {
		t.Errorf("of an empty file read is %+v", s)
	}
	f.Truncate(1 << 20)
	if s, err := Read(f); err == nil {
		t.Errorf("of zeroes read is %+v", s)
	}
	if table, err := NewTable(nil); table != nil || err != nil {
		t.Errorf("without a file the table is %v, %v", table, err)
	}
}

// FuzzRead reads tables that a plugin has written over.
func FuzzRead(f *testing.F) {
	table, file := newTable(f)
	table.Claim("a", id("a1")).Enter(New)
	whole := make([]byte, page+table.rowSize)
	file.ReadAt(whole, 0)
	f.Add(whole)
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := Read(bytes.NewReader(b)); err == nil && len(s.Images) > maxImages {
			t.Errorf("%d images", len(s.Images))
		}
	})
}

// TestUsage tells images apart that nearly always are in calls.
func TestUsage(t *testing.T) {
	table, f := newTable(t)
	a, b := table.Claim("a", id("a1")), table.Claim("b", id("b1"))
	a.Enter(Start)
	var u Usage
	for i := range 3 * rememberedLooks {
		leave := func() {}
		if i%4 == 0 {
			leave = b.Enter(Start)
		}
		if _, err := u.Look(f, 1); err != nil {
			t.Fatal(err)
		}
		leave()
	}
	b.Enter(Start)
	s, _ := Read(f)
	u.Tell(s)
	if s.Images[0].Busy != 1 || s.Images[0].Looked < rememberedLooks || s.Images[1].Busy < 0.24 || s.Images[1].Busy > 0.26 {
		t.Errorf("read is %+v", s.Images)
	}
}

// TestDead reads the table of a process that was killed while calls came and went.
func TestDead(t *testing.T) {
	f := memoryFile(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestDead$")
	cmd.Env = append(os.Environ(), "INFLIGHT_CHILD=1")
	cmd.ExtraFiles = []*os.File{f}
	var said strings.Builder
	cmd.Stdout = &said
	err := cmd.Run()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended with %v and said %s", err, said.String())
	}
	want(t, f, Image{Plugin: "held", Image: id("h1"), Calls: 3}, Image{Plugin: "stuck", Image: id("s1"), Steps: []string{"Export"}})
}

func TestMain(m *testing.M) {
	if os.Getenv("INFLIGHT_CHILD") != "" {
		dieInCalls()
	}
	os.Exit(m.Run())
}

func dieInCalls() {
	table, err := NewTable(os.NewFile(3, "calls"))
	if err != nil {
		panic(err)
	}
	slotOf := func(plugin, image string) *generations.Slot[int] {
		s := generations.NewSlot[int](generations.SlotOptions{})
		s.Swap(NewGeneration(table.Claim(plugin, id(image)), id(image), 1))
		return s
	}
	held, quick := slotOf("held", "h1"), slotOf("quick", "q1")
	table.Claim("stuck", id("s1")).Enter(Export)
	for range 3 {
		held.Acquire(context.Background())
	}
	var calls atomic.Int64
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 10_000 {
				l, _ := quick.Acquire(context.Background())
				l.Release()
				calls.Add(1)
			}
		})
	}
	all.Wait()
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// BenchmarkAcquire compares leases that are counted in the table with those that are counted in memory of the runtime's. Both are
// measured by turns within each run, because other programs disturb measurements that come one after the other.
func BenchmarkAcquire(b *testing.B) {
	table, _ := newTable(b)
	slots := [2]*generations.Slot[int]{new(generations.Slot[int]), new(generations.Slot[int])}
	slots[0].Swap(generations.NewGeneration(id("a1"), 1))
	slots[1].Swap(NewGeneration(table.Claim("a", id("a1")), id("a1"), 1))
	var took [2]atomic.Int64
	const turn = 1000
	b.RunParallel(func(pb *testing.PB) {
		ctx := context.Background()
		for n := 0; pb.Next(); n++ {
			which := n & 1
			begin := time.Now()
			for range turn {
				l, err := slots[which].Acquire(ctx)
				if err != nil {
					b.Error(err)
					return
				}
				l.Release()
			}
			took[which].Add(int64(time.Since(begin)))
		}
	})
	memory, mapped := float64(took[0].Load()), float64(took[1].Load())
	b.ReportMetric(2*memory/float64(b.N)/turn, "ns/memory")
	b.ReportMetric(2*mapped/float64(b.N)/turn, "ns/table")
	b.ReportMetric(mapped/memory, "ratio")
}

// TestOrder uses a value as callers and the host do: callers within leases, the host after the drain. The counters of a table order
// the two, which the race detector has to know.
func TestOrder(t *testing.T) {
	table, _ := newTable(t)
	var slot generations.Slot[*int]
	g := NewGeneration(table.Claim("a", id("a1")), id("a1"), new(int))
	if _, err := slot.Swap(g); err != nil {
		t.Fatal(err)
	}
	lease, err := slot.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		*lease.Value() = 7
		lease.Release()
	}()
	if _, err := slot.Swap(nil); err != nil {
		t.Fatal(err)
	}
	for g.Leases() > 0 { // a drain that waits would be woken, which orders the two as well
		runtime.Gosched()
	}
	if err := g.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if *g.Value() != 7 {
		t.Error("the drain ended before the caller did")
	}
}
