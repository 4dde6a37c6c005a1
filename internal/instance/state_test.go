package instance

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/state"
)

type tally struct{ N int }
type wider struct {
	N     int
	Extra string
}

// holder is a stateful instance.
type holder struct {
	*steps
	value any       // what it exports
	took  abi.State // what it was given
}

func (h *holder) Export(context.Context) (abi.State, error) {
	return abi.State{Schema: "s", Version: 2, Value: h.value}, h.step("export")
}

func (h *holder) Import(_ context.Context, s abi.State) error {
	h.took = s
	return h.step("import")
}

// adopter takes the value itself.
type adopter struct {
	*holder
	adopted any
}

func (a *adopter) Adopt(value any) {
	a.adopted = value
	if a.step("adopt") != nil {
		panic("at the disco")
	}
}

// downgrader can export earlier versions.
type downgrader struct{ *holder }

func (d downgrader) ExportAs(_ context.Context, version int) (abi.State, error) {
	return abi.State{Schema: "s", Version: version, Value: d.value}, d.step("export as")
}

func newHolder(value any) *holder {
	return &holder{steps: &steps{do: map[string]func() error{}}, value: value}
}

func stateOf(prototype any) abi.Descriptor {
	return abi.Descriptor{State: abi.State{Schema: "s", Version: 2, Value: prototype}}
}

func TestExport(t *testing.T) {
	h := newHolder(&tally{1})
	plain, down := instantiate(t, h, stateOf(nil)), instantiate(t, downgrader{h}, stateOf(nil))
	if !plain.Stateful() {
		t.Error("it is not stateful")
	}
	for _, test := range []struct {
		in         *Instance
		wants      abi.State
		version    int
		downgraded bool
	}{
		{plain, abi.State{Schema: "s", Version: 1}, 2, false},
		{down, abi.State{Schema: "s", Version: 1}, 1, true},
		{down, abi.State{Schema: "s", Version: 2}, 2, false},
		{down, abi.State{Schema: "s", Version: 3}, 2, false},
		{down, abi.State{Schema: "s", Version: 0}, 2, false},
		{down, abi.State{Schema: "other", Version: 1}, 2, false},
	} {
		s, downgraded, err := test.in.Export(limited(t), test.wants)
		if err != nil || s.Version != test.version || downgraded != test.downgraded || s.Value != any(h.value) {
			t.Errorf("for %+v: %+v, downgraded %v, %v", test.wants, s, downgraded, err)
		}
	}
	h.do["export"], h.do["export as"] = func() error { return errStep }, func() error { panic(errStep) }
	if _, _, err := plain.Export(limited(t), abi.State{}); !errors.Is(err, errStep) || err.Error() != "Export: step failed" {
		t.Errorf("an Export that fails: %v", err)
	}
	if _, _, err := down.Export(limited(t), abi.State{Schema: "s", Version: 1}); !errors.Is(err, errStep) {
		t.Errorf("an ExportAs that panics: %v", err)
	}
}

func given(value any) abi.State { return abi.State{Schema: "s", Version: 2, Value: value} }

// TestAdopt passes the value itself to code that promises to do nothing but store it.
func TestAdopt(t *testing.T) {
	value := &tally{3}
	a := &adopter{holder: newHolder(nil)}
	in := instantiate(t, a, stateOf(&tally{}))
	taken, err := in.Accept(limited(t), given(value), state.Options{}, true)
	if err != nil || a.adopted != any(value) || taken.Way != Reference || taken.Schema != "s" || taken.Version != 2 || taken.GiversIsIntact() {
		t.Errorf("taken %+v, %v", taken, err)
	}
	// The same layout under another type, and another layout.
	type other struct{ N int }
	taken, err = in.Accept(limited(t), given(&other{4}), state.Options{}, true)
	if got, ok := a.adopted.(*tally); err != nil || !ok || got.N != 4 || taken.Way != Adopt || taken.GiversIsIntact() {
		t.Errorf("taken %+v, %v", taken, err)
	}
	taken, err = in.Accept(limited(t), given(&wider{5, "x"}), state.Options{}, true)
	if got, ok := a.adopted.(*tally); err != nil || !ok || got.N != 5 || taken.Way != Convert || !taken.GiversIsIntact() || len(taken.Removed) != 1 {
		t.Errorf("taken %+v, %v", taken, err)
	}
	// A value of another version or schema goes to Import.
	for _, s := range []abi.State{{Schema: "s", Version: 1, Value: value}, {Schema: "x", Version: 2, Value: value}} {
		a.did()
		if taken, err = in.Accept(limited(t), s, state.Options{}, true); err != nil || a.did() != "import" || taken.Way != Import {
			t.Errorf("%+v: taken %+v, %v", s, taken, err)
		}
	}
	a.do["adopt"] = func() error { return errStep }
	if _, err := in.Accept(limited(t), given(value), state.Options{}, true); !errors.As(err, new(*PanicError)) {
		t.Errorf("an Adopt that panics: %v", err)
	}
	untyped := instantiate(t, a, stateOf(nil))
	a.did()
	if _, err := untyped.Accept(limited(t), given(value), state.Options{}, true); err != nil || a.did() != "import" {
		t.Errorf("without a prototype: %v", err)
	}
}

// TestImport gives a copy to code that may fail, unless nobody else has the value.
func TestImport(t *testing.T) {
	h := newHolder(nil)
	in := instantiate(t, h, stateOf(&map[string]int{}))
	value := &map[string]int{"a": 1, "b": 2}
	for _, shared := range []bool{true, false} {
		taken, err := in.Accept(limited(t), given(value), state.Options{}, shared)
		got, ok := h.took.Value.(*map[string]int)
		if err != nil || !ok || !maps.Equal(*got, *value) || (got == value) == shared || taken.Way != Import || h.took.Schema != "s" || h.took.Version != 2 {
			t.Errorf("shared %v: taken %+v, %v", shared, taken, err)
		}
		if (taken.Entries == 2) != shared {
			t.Errorf("shared %v: %d entries were copied", shared, taken.Entries)
		}
	}
	if _, err := in.Accept(limited(t), given(value), state.Options{MaxBytes: 1}, true); !errors.Is(err, state.ErrLimit) {
		t.Errorf("a copy over the limit: %v", err)
	}
	wide := instantiate(t, h, stateOf(&wider{}))
	if _, err := wide.Accept(limited(t), given(&tally{1}), state.Options{MaxBytes: 1}, true); !errors.Is(err, state.ErrLimit) {
		t.Errorf("a conversion over the limit: %v", err)
	}
	if taken, err := wide.Accept(limited(t), given(&tally{6}), state.Options{}, true); err != nil || h.took.Value.(*wider).N != 6 || taken.Way != Convert ||
		len(taken.Added) != 1 {
		t.Errorf("taken %+v, %v", taken, err)
	}
	// A value that can't be copied is passed as it is.
	untyped := instantiate(t, h, stateOf(nil))
	ch := make(chan int)
	if _, err := untyped.Accept(limited(t), given(ch), state.Options{}, true); err != nil || h.took.Value != any(ch) {
		t.Errorf("a channel: %v", err)
	}
	h.do["import"] = func() error { return errStep }
	if _, err := in.Accept(limited(t), given(value), state.Options{}, true); !errors.Is(err, errStep) || strings.Contains(err.Error(), "convert") {
		t.Errorf("an Import that fails: %v", err)
	}
	if _, err := wide.Accept(limited(t), given("text"), state.Options{}, true); !errors.Is(err, errStep) || !strings.Contains(err.Error(), "could not convert") {
		t.Errorf("an Import that fails on what could not be converted: %v", err)
	}
}

// TestStream writes a state and reads it back into an instance.
func TestStream(t *testing.T) {
	h := newHolder(nil)
	in := instantiate(t, h, stateOf(&wider{}))
	var stream bytes.Buffer
	if err := Encode(&stream, given(&tally{7}), 0); err != nil {
		t.Fatal(err)
	}
	whole := bytes.Clone(stream.Bytes())
	taken, err := in.AcceptStream(limited(t), &stream, state.Options{})
	if err != nil || h.took.Value.(*wider).N != 7 || taken.Schema != "s" || taken.Version != 2 || taken.Bytes <= 0 {
		t.Errorf("taken %+v, %v", taken, err)
	}
	if _, err := in.AcceptStream(limited(t), bytes.NewReader(whole[:len(whole)-3]), state.Options{}); err == nil {
		t.Error("half a stream is taken")
	}
	if _, err := in.AcceptStream(limited(t), bytes.NewReader(whole), state.Options{MaxBytes: 1}); !errors.Is(err, state.ErrLimit) {
		t.Errorf("over the limit: %v", err)
	}
	h.do["import"] = func() error { return errStep }
	if _, err := in.AcceptStream(limited(t), bytes.NewReader(whole), state.Options{}); !errors.Is(err, errStep) {
		t.Errorf("an Import that fails: %v", err)
	}
	if err := Encode(failing{}, given(&tally{1}), 0); err == nil {
		t.Error("a stream that can't be written succeeds")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errStep }

func TestCopyState(t *testing.T) {
	value := &map[string]int{"a": 1}
	s, err := CopyState(given(value), state.Options{})
	if got := s.Value.(*map[string]int); err != nil || got == value || !maps.Equal(*got, *value) || s.Schema != "s" || s.Version != 2 {
		t.Errorf("copied %+v, %v", s, err)
	}
	if _, err := CopyState(given(value), state.Options{MaxBytes: 1}); !errors.Is(err, state.ErrLimit) {
		t.Errorf("over the limit: %v", err)
	}
}

func TestTakesBack(t *testing.T) {
	h := newHolder(nil)
	typed, untyped := instantiate(t, h, stateOf(&tally{})), instantiate(t, h, stateOf(nil))
	for _, test := range []struct {
		in   *Instance
		s    abi.State
		want bool
	}{
		{typed, given(&tally{}), true},
		{typed, given(&wider{}), true},
		{typed, given("text"), false},
		{typed, abi.State{Schema: "s", Version: 1, Value: &tally{}}, false},
		{typed, abi.State{Schema: "x", Version: 2, Value: &tally{}}, false},
		{untyped, given(&tally{}), false},
		{instantiate(t, downgrader{h}, stateOf(nil)), abi.State{Schema: "s", Version: 1}, true},
	} {
		if got := test.in.TakesBack(test.s); got != test.want {
			t.Errorf("%+v: %v, want %v", test.s, got, test.want)
		}
	}
}

func TestCheckpointable(t *testing.T) {
	h := newHolder(nil)
	for _, test := range []struct {
		prototype any
		why       string
	}{
		{&tally{}, ""},
		{nil, "names no type"},
		{make(chan int), "chan"},
	} {
		in := instantiate(t, h, stateOf(test.prototype))
		err := in.Uncheckpointable()
		if in.Checkpointable() != (test.why == "") || (err == nil) != (test.why == "") || err != nil && !strings.Contains(err.Error(), test.why) {
			t.Errorf("%T: %v, %v", test.prototype, in.Checkpointable(), err)
		}
	}
}
