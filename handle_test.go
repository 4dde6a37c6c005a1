package sohost

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/ratio"
)

// TestHandle uses one handle before, through and after a reload.
func TestHandle(t *testing.T) {
	r := newWorld(t).boots("a1")
	handle, err := Lookup[abi.Stateful](r.Host, "a")
	if err != nil {
		t.Fatal(err)
	}
	lent := func(image string) Lease[abi.Stateful] {
		t.Helper()
		lease, err := handle.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := lease.Value().(*stateful).image; got != image || lease.Generation() != r.w.imageID(image).Short() {
			t.Errorf("lent is %s of %s, want %s", got, lease.Generation(), image)
		}
		return lease
	}
	for range 2 { // the first of an instance takes another way than the rest
		first := lent("a1")
		first.Release()
	}
	var reloaded Lease[abi.Stateful]
	waits := make(chan struct{})
	r.w.fail("a2 Import 0", func(context.Context) error { // while the gate is shut
		go func() {
			defer close(waits)
			if lease, err := handle.Acquire(t.Context()); err != nil {
				t.Error(err)
			} else {
				reloaded = lease
			}
		}()
		eventually(t, "a caller at the gate", func() bool {
			waiting, _ := r.plugins()[0].slot.Waiting()
			return waiting == 1
		})
		return nil
	})
	r.mustDeploy("a2")
	<-waits
	if reloaded.Value().(*stateful).image != "a2" {
		t.Error("who waited at the gate got the old code")
	}
	reloaded.Release()
	other, err := Lookup[io.Closer](r.Host, "a") // remembered is the other interface
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Call(t.Context(), func(c io.Closer) error { return errFault }); err != errFault {
		t.Errorf("got %v, want fn's error", err)
	}
	var panicked *PanicError
	if err := handle.Call(t.Context(), func(abi.Stateful) error { panic("boom") }); !errors.As(err, &panicked) {
		t.Errorf("a panic: %v", err)
	}
	if n := r.plugins()[0].serving().Leases(); n != 0 {
		t.Errorf("%d leases are held", n)
	}
}

// TestHandleRefuses asks for what there isn't.
// TestHandleAllocatesNothing calls with few leases held and with many, which take another way.
func TestHandleAllocatesNothing(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	r := newWorld(t).boots("a1")
	handle, err := Lookup[abi.Stateful](r.Host, "a")
	if err != nil {
		t.Fatal(err)
	}
	acquire := func() Lease[abi.Stateful] {
		lease, err := handle.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return lease
	}
	for range 3 {
		allocs := testing.AllocsPerRun(1000, func() {
			lease := acquire()
			lease.Release()
		})
		if allocs != 0 {
			t.Errorf("%v allocations a call", allocs)
		}
		for range 20 {
			lease := acquire()
			defer lease.Release()
		}
	}
}

func TestHandleRefuses(t *testing.T) {
	r := newWorld(t).boots("a1")
	if _, err := Lookup[any](r.Host, "x"); !errors.Is(err, ErrUnknownPlugin) {
		t.Errorf("no plugin: %v", err)
	}
	lacks, err := Lookup[exporter](r.Host, "a")
	if err != nil {
		t.Fatal(err)
	}
	_, err = lacks.Acquire(t.Context())
	if !errors.Is(err, ErrNotImplemented) || !strings.Contains(err.Error(), "plugin a: ") || !strings.Contains(err.Error(), "Total() int") {
		t.Errorf("without the method: %v", err)
	}
	if n := r.plugins()[0].serving().Leases(); n != 0 {
		t.Errorf("%d leases are held", n)
	}
	handle, err := Lookup[any](r.Host, "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := handle.Acquire(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := Lookup[any](r.Host, "a"); !errors.Is(err, ErrClosed) {
		t.Errorf("looked up when closed: %v", err)
	}
	other := newWorld(t)
	empty, err := Lookup[any](other.host(other.options("a")).Host, "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := empty.Acquire(t.Context()); !errors.Is(err, generations.ErrEmpty) || !strings.Contains(err.Error(), "plugin a: ") {
		t.Errorf("nothing serves: %v", err)
	}
}

// TestHandleFindsNamesake uses a handle of a plugin that was forgotten, once there is another one of its name.
func TestHandleFindsNamesake(t *testing.T) {
	w := newWorld(t)
	o := w.options("a")
	r := w.host(o)
	handle, err := Lookup[*stateful](r.Host, "a")
	if err != nil {
		t.Fatal(err)
	}
	forgotten := r.plugins()[0]
	r.table.Store(r.table.Load().Without("a", forgotten.Routes))
	if _, err := handle.Acquire(t.Context()); !errors.Is(err, ErrUnknownPlugin) {
		t.Errorf("no plugin of the name: %v", err)
	}
	w.file("a", "a1")
	r.add(forgotten.Plugin)
	r.mustDeploy("a1")
	lease, err := handle.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lease.Release()
	r.table.Store(r.table.Load().With("b", nil, forgotten)) // which the host closes
}

// BenchmarkCall prints what a call costs from within a program, as a multiple of a call of the same method without a Host.
func BenchmarkCall(b *testing.B) {
	r := newWorld(b).boots("s1")
	direct := ratio.NewCallee()
	handle, err := Lookup[ratio.Callee](r.Host, "s")
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	slot := r.plugins()[0].slot
	ratio.Compare(b, []ratio.Way{
		{Name: "direct", Calls: func(n int) (sum int) {
			for i := range n {
				sum += direct.Call(i)
			}
			return sum
		}},
		{Name: "slot", Calls: func(n int) (sum int) {
			for i := range n {
				lease, err := slot.Acquire(ctx)
				if err != nil {
					return 0
				}
				sum += direct.Call(i)
				lease.Release()
			}
			return sum
		}},
		{Name: "handle", Calls: func(n int) (sum int) {
			for i := range n {
				lease, err := handle.Acquire(ctx)
				if err != nil {
					return 0
				}
				sum += lease.Value().Call(i)
				lease.Release()
			}
			return sum
		}},
		{Name: "batch", Calls: func(n int) (sum int) {
			lease, err := handle.Acquire(ctx)
			if err != nil {
				return 0
			}
			defer lease.Release()
			for i := range n {
				sum += lease.Value().Call(i)
			}
			return sum
		}},
		{Name: "Call", Calls: func(n int) (sum int) {
			for i := range n {
				_ = handle.Call(ctx, func(c ratio.Callee) error {
					sum += c.Call(i)
					return nil
				})
			}
			return sum
		}},
		{Name: "Host.Call", Calls: func(n int) (sum int) {
			for i := range n {
				_ = r.Call(ctx, "s", func(in abi.Instance) error {
					sum += in.(ratio.Callee).Call(i)
					return nil
				})
			}
			return sum
		}},
	})
}
