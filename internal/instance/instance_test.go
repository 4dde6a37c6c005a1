package instance

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/native"
)

// steps is an instance that records its calls, and in each does what the test says.
type steps struct {
	done []string
	do   map[string]func() error
}

func (s *steps) step(name string) error {
	s.done = append(s.done, name)
	if do := s.do[name]; do != nil {
		return do()
	}
	return nil
}

func (s *steps) did() string {
	done := strings.Join(s.done, " ")
	s.done = nil
	return done
}

func (s *steps) ServeHTTP(http.ResponseWriter, *http.Request) { s.step("serve") }
func (s *steps) Start(context.Context) error                  { return s.step("start") }
func (s *steps) Stop(context.Context) error                   { return s.step("stop") }
func (s *steps) Close() error                                 { return s.step("close") }

var errStep = errors.New("step failed")

// imageOf returns an image with the descriptor. Its New returns value and err, unless d has another.
func imageOf(value abi.Instance, err error, d abi.Descriptor) *Image {
	d.ABI = abi.Version
	if d.New == nil {
		d.New = func(context.Context, abi.Host) (abi.Instance, error) { return value, err }
	}
	return NewImage("/x.so", &native.Info{Packages: map[string]string{}}, &d)
}

// limited returns a context with a deadline that no test reaches.
func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	t.Cleanup(cancel)
	return ctx
}

func notLate(t *testing.T) func(*Instance) {
	return func(*Instance) { t.Error("New has returned too late") }
}

func instantiate(t *testing.T, value abi.Instance, d abi.Descriptor) *Instance {
	t.Helper()
	in, err := New(limited(t), imageOf(value, nil, d), nil, nil, nil, notLate(t))
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func TestLife(t *testing.T) {
	s := &steps{do: map[string]func() error{}}
	in := instantiate(t, s, abi.Descriptor{Version: "v1", ConcurrentExport: true, State: abi.State{Schema: "x"}})
	if in.Value() != abi.Instance(s) || in.Handler() != http.Handler(s) || in.Image().Path() != "/x.so" || in.Image().Version() != "v1" ||
		!in.ConcurrentExport() || in.Image().Wants().Schema != "x" || in.Stateful() {
		t.Errorf("it is %+v", in)
	}
	ctx := limited(t)
	want := func(what string, err error, did string) {
		t.Helper()
		if err != nil || s.did() != did {
			t.Errorf("%s: %v", what, err)
		}
	}
	want("resumed before it was started", in.Resume(ctx), "")
	want("paused before it was started", in.Pause(ctx), "")
	want("resumed, too", in.Resume(ctx), "")
	want("started", in.Start(ctx), "start")
	want("started again", in.Start(ctx), "")
	want("paused", in.Pause(ctx), "stop")
	want("paused again", in.Pause(ctx), "")
	want("resumed", in.Resume(ctx), "start")
	want("resumed again", in.Resume(ctx), "")
	want("ended", in.End(ctx), "stop close")
	want("ended again", in.End(ctx), "close")

	s.do["start"] = func() error { return errStep }
	if err := in.Start(ctx); !errors.Is(err, errStep) || err.Error() != "Start: step failed" {
		t.Errorf("a Start that fails: %v", err)
	}
	want("ended after a failed Start", in.End(ctx), "start close")
	delete(s.do, "start")
	in.Start(ctx)
	s.do["stop"], s.do["close"] = func() error { return errStep }, func() error { panic("at the disco") }
	s.did()
	err := in.End(ctx)
	if panicked := new(PanicError); !errors.Is(err, errStep) || !errors.As(err, &panicked) || s.did() != "stop close" {
		t.Errorf("an end that fails: %v", err)
	}
	in.Start(ctx)
	if err := in.Pause(ctx); !errors.Is(err, errStep) {
		t.Errorf("a Stop that fails: %v", err)
	}
	s.did()
	want("resumed after a failed Stop", in.Resume(ctx), "start")
}

// quiet is an instance that has neither background work nor a Close.
type quiet struct{ http.Handler }

type batches struct{}

func (batches) HandleBatch(context.Context, *abi.Batch) error { return nil }

type schedule struct{}

func (schedule) HandleSchedule(context.Context, abi.Tick) error { return nil }

func TestWithoutMethods(t *testing.T) {
	for _, value := range []abi.Instance{quiet{}, batches{}, schedule{}} {
		in := instantiate(t, value, abi.Descriptor{})
		_, isHandler := value.(http.Handler)
		if err := errors.Join(in.Start(limited(t)), in.Pause(limited(t)), in.Resume(limited(t)), in.End(limited(t))); err != nil ||
			(in.Handler() != nil) != isHandler || in.ConcurrentExport() || in.Checkpointable() || in.Uncheckpointable() != nil {
			t.Errorf("%T: %v, handler %v", value, err, in.Handler())
		}
	}
}

func TestNewFails(t *testing.T) {
	if in, err := New(limited(t), imageOf(nil, errStep, abi.Descriptor{}), nil, nil, nil, notLate(t)); in != nil || !errors.Is(err, errStep) {
		t.Errorf("an error: %v, %v", in, err)
	}
	if in, err := New(limited(t), imageOf(7, nil, abi.Descriptor{}), nil, nil, nil, notLate(t)); in == nil || !errors.Is(err, ErrNoHandler) ||
		!strings.Contains(err.Error(), "returned a int") {
		t.Errorf("nothing to call: %v, %v", in, err)
	}
}

// TestNewNil refuses an instance that can't be called, however well its type fits.
func TestNewNil(t *testing.T) {
	for _, value := range []abi.Instance{nil, (*steps)(nil)} {
		in, err := New(limited(t), imageOf(value, nil, abi.Descriptor{}), nil, nil, nil, notLate(t))
		if !errors.Is(err, ErrNoHandler) || !strings.Contains(err.Error(), "nil") {
			t.Errorf("%T: %v", value, err)
		}
		if err := in.End(limited(t)); value != nil && err == nil {
			t.Error("its Close, which panics, is not called")
		}
	}
}

// TestNewLate lets New return in time, too late, and never.
func TestNewLate(t *testing.T) {
	for _, test := range []struct {
		takes  time.Duration
		err    error
		made   bool // New's instance is returned
		late   bool
		failed error
	}{
		{time.Second, nil, true, false, nil},
		{time.Minute, nil, true, false, nil},
		{time.Minute + grace/2, nil, true, false, nil},
		{time.Minute + 2*grace, nil, false, true, context.DeadlineExceeded},
		{time.Minute + 2*grace, errStep, false, false, context.DeadlineExceeded},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &steps{}
			image := imageOf(nil, nil, abi.Descriptor{New: func(context.Context, abi.Host) (abi.Instance, error) {
				time.Sleep(test.takes)
				return s, test.err
			}})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var late *Instance
			in, err := New(ctx, image, nil, nil, nil, func(in *Instance) { late = in })
			time.Sleep(time.Hour)
			synctest.Wait()
			if (in != nil) != test.made || (late != nil) != test.late || !errors.Is(err, test.failed) {
				t.Errorf("after %v: instance %v, late %v, %v", test.takes, in, late, err)
			}
			if late != nil && late.Value() != abi.Instance(s) {
				t.Errorf("late is %v", late.Value())
			}
		})
	}
	if n := abandoned.Load(); n != 0 {
		t.Errorf("%d calls count as given up after they have returned", n)
	}
}

func TestValid(t *testing.T) {
	for _, test := range []struct {
		d    abi.Descriptor
		want error
	}{
		{abi.Descriptor{ABI: abi.Version, New: func(context.Context, abi.Host) (abi.Instance, error) { return nil, nil }}, nil},
		{abi.Descriptor{ABI: abi.Version + 1}, ErrABIVersion},
		{abi.Descriptor{ABI: abi.Version}, ErrNoHandler},
	} {
		if err := (&Image{descriptor: &test.d}).valid(); !errors.Is(err, test.want) {
			t.Errorf("%+v: %v", test.d, err)
		}
	}
}

func TestSharedWith(t *testing.T) {
	with := func(packages map[string]string) *Image { return NewImage("", &native.Info{Packages: packages}, nil) }
	shared := with(map[string]string{"a": "1", "b": "1", "c": "1", "": ""}).SharedWith(with(map[string]string{"a": "1", "b": "2", "d": "1"}))
	for path, want := range map[string]bool{"a": true, "b": false, "c": false, "d": false, "e": false} {
		if shared(path) != want {
			t.Errorf("%s is shared: %v", path, !want)
		}
	}
}

// TestInRegistry distinguishes the panic of a registry that earlier generations have filled from the plugin's own
// mistake.
func TestInRegistry(t *testing.T) {
	image := NewImage("/x.so", &native.Info{PluginPath: "example.com/p_g0123456789ab", Packages: map[string]string{
		"example.com/own": "1", "net/http": "1", "github.com/sohost/sohost/abi": "1",
	}}, nil)
	for origin, want := range map[string]bool{
		"":                             false,
		"example.com/own":              false,
		"example.com/p_g0123456789ab":  false,
		"net/http":                     true,
		"example.com/of-another-image": true,
	} {
		if got := (&PanicError{Value: "taken", origin: origin}).InRegistry(image); got != want {
			t.Errorf("a panic in %q: %v", origin, got)
		}
	}
	var mistake error
	func() {
		defer caught(&mistake)
		var p *steps
		p.done = nil
	}()
	panicked := mistake.(*PanicError)
	if panicked.origin != "github.com/sohost/sohost/internal/instance" {
		t.Errorf("the origin is %q", panicked.origin)
	}
	for want, panics := range map[string]func(){
		"strings": func() { _ = strings.Repeat("x", -1) },
		"github.com/sohost/sohost/internal/instance": func() { log.New(io.Discard, "", 0).Panic("passed on") },
	} {
		var err error
		func() {
			defer caught(&err)
			panics()
		}()
		if got := err.(*PanicError).origin; got != want {
			t.Errorf("the origin is %q, want %q", got, want)
		}
	}
	if got := NewPanicError("no panic").origin; got != "" {
		t.Errorf("without a panic the origin is %q", got)
	}
	panicked.origin = "net/http"
	if panicked.InRegistry(image) {
		t.Error("a nil pointer counts as a registry's panic")
	}
}

// TestFiles has no real images: files that can't be read are refused, and nothing is open.
func TestFiles(t *testing.T) {
	none := t.TempDir() + "/none.so"
	if err := Check(none, ""); err == nil {
		t.Error("a file that isn't there passes")
	}
	if _, err := Open(limited(t), none); err == nil {
		t.Error("a file that isn't there opens")
	}
	if IsOpen(none) || IsOpen(os.Args[0]) || len(native.Mapped()) != 0 {
		t.Errorf("mapped are %v", native.Mapped())
	}
	if c := Measure(func(string) bool { return true }); c.Images != 0 || c.Resident != 0 || c.Goroutines != 0 {
		t.Errorf("the costs are %+v", c)
	}
	if err := NewImage("", nil, nil).Cool(); err != nil {
		t.Error(err)
	}
	l := NewLoader(nil)
	if l.Check(none, "") == nil || l.IsOpen(none) || l.Poisoned() != nil || len(l.Mapped()) != 0 {
		t.Error("the loader's steps aren't those of the package")
	}
}

// TestExclusive refuses an exclusive plugin that could never release anything.
func TestExclusive(t *testing.T) {
	d := &abi.Descriptor{ABI: abi.Version, Exclusive: true, New: func(context.Context, abi.Host) (abi.Instance, error) {
		return http.NotFoundHandler(), nil
	}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := New(ctx, NewImage("", nil, d), nil, nil, nil, nil); !errors.Is(err, ErrExclusive) {
		t.Errorf("without Start and Stop: %v", err)
	}
}

// owner is an instance that owns something between Start and Stop.
type owner struct {
	http.Handler
	stops chan struct{} // gets one from each Stop
}

func (o *owner) Start(context.Context) error { return nil }
func (o *owner) Stop(context.Context) error  { o.stops <- struct{}{}; return nil }

// TestExclusiveBesideFork stops an exclusive plugin while a child is being forked, which has copies of all that the plugin closes. It
// has stopped only when the child has become its program, or not at all if that doesn't in time.
func TestExclusiveBesideFork(t *testing.T) {
	o := &owner{http.NotFoundHandler(), make(chan struct{}, 2)}
	d := &abi.Descriptor{ABI: abi.Version, Exclusive: true, New: func(context.Context, abi.Host) (abi.Instance, error) { return o, nil }}
	in, err := New(limited(t), NewImage("", nil, d), nil, nil, nil, nil)
	if err == nil {
		err = in.Start(limited(t))
	}
	if err != nil {
		t.Fatal(err)
	}
	fork := func(waits time.Duration) <-chan error {
		syscall.ForkLock.Lock() // as package syscall does it for a fork
		ctx, cancel := context.WithTimeout(t.Context(), waits)
		ended := make(chan error, 1)
		go func() {
			defer cancel()
			ended <- in.Pause(ctx)
		}()
		<-o.stops
		return ended
	}
	ended := fork(50 * time.Millisecond)
	err = <-ended
	syscall.ForkLock.Unlock()
	if !errors.Is(err, errForking) {
		t.Errorf("it has stopped before the child has become its program: %v", err)
	}
	if err := in.Resume(limited(t)); err != nil {
		t.Fatal(err)
	}
	ended = fork(time.Minute)
	syscall.ForkLock.Unlock()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := in.End(limited(t)); err != nil || len(o.stops) > 0 {
		t.Errorf("%v; it was stopped %d times more", err, len(o.stops))
	}
}
