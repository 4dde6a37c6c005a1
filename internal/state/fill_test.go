//lint:file-ignore U1000 the fields are used through reflection

package state

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
)

// Types of three generations: each later one has lost fields of the one before, and has one of its own.
type (
	item1 struct {
		hits int64
		name string
		tags []string
		self *item1
	}
	item2 struct {
		hits int64
		name string
		self *item2
		two  int
	}
	item3 struct {
		hits  int64
		self  *item3
		three int
	}
	world1 struct {
		byKey  map[string]*item1
		order  []*item1
		values map[string]item1
		list   []item1
		pair   [2]item1
		log    []string
		n      int64
	}
	world2 struct {
		byKey  map[string]*item2
		values map[string]item2
		list   []item2
		pair   [2]item2
		n      int64
	}
	world3 struct {
		byKey  map[string]*item3
		values map[string]item3
		n      int64
	}
)

func aWorld() *world1 {
	a, b := &item1{1, "a", []string{"x"}, nil}, &item1{2, "b", []string{"y", "z"}, nil}
	a.self, b.self = a, a
	return &world1{
		byKey: map[string]*item1{"a": a, "b": b}, order: []*item1{b, a}, n: 7, log: []string{"begun"},
		values: map[string]item1{"v": {3, "v", []string{"vv"}, b}}, list: []item1{{4, "l", []string{"ll"}, nil}, {5, "m", []string{"mm"}, nil}},
		pair: [2]item1{{6, "p", []string{"pp"}, a}},
	}
}

// TestFill goes to a type with fewer fields and back. What was lost comes back; what has changed since stays changed; and
// what was one object before the way there is one object after the way back.
func TestFill(t *testing.T) {
	before := aWorld()
	newer := move[*world2](t, before)
	newer.n, newer.byKey["a"].hits, newer.byKey["new"] = 8, 100, &item2{hits: 9, name: "new"}
	delete(newer.byKey, "b")
	newer.list[1].hits = 50
	plan := Compare(reflect.TypeFor[*world2](), reflect.TypeFor[*world1]())
	moved, _, err := plan.Move(newer, Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := plan.Part(moved)
	if p.Complete() {
		t.Fatal("nothing is missing")
	}
	filled, err := p.Fill(Whole(before), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"state.byKey[].tags", "state.log", "state.order"}
	if !slices.Equal(filled.Restored, want) || filled.Unmatched != 1 || !p.Complete() {
		t.Errorf("restored %v, %d unmatched", filled.Restored, filled.Unmatched)
	}
	got := p.Value.(*world1)
	a := got.byKey["a"]
	if got.n != 8 || a.hits != 100 || a.self != a || !slices.Equal(a.tags, []string{"x"}) || got.byKey["new"].tags != nil || got.byKey["b"] != nil {
		t.Errorf("got %+v, %+v", got, a)
	}
	if len(got.order) != 2 || got.order[1] != a || got.order[0].name != "b" || got.order[0].self != a {
		t.Errorf("the order is %+v: it must lead to the same items", got.order)
	}
	v := got.values["v"]
	if v.self == nil || v.self.name != "b" || !slices.Equal(v.tags, []string{"vv"}) || got.pair[0].tags[0] != "pp" || got.pair[0].self != a {
		t.Errorf("got %+v, %+v", v, got.pair)
	}
	if got.list[0].tags[0] != "ll" || got.list[1].tags != nil || got.log[0] != "begun" {
		t.Errorf("got %+v, %v", got.list, got.log)
	}
	a.tags[0], got.log[0], got.order[0] = "changed", "changed", nil
	if before.byKey["a"].tags[0] != "x" || before.log[0] != "begun" || before.order[0] == nil {
		t.Error("what was kept has changed")
	}
}

// TestFillFromTwo goes back two generations at once: each of the two kept states gives what only it has, the newer one first.
func TestFillFromTwo(t *testing.T) {
	first := aWorld()
	second := move[*world2](t, first)
	second.byKey["a"].name, second.list = "renamed", append(second.list, item2{hits: 6, name: "six"})
	third := move[*world3](t, second)
	third.n = 9
	to := reflect.TypeFor[*world1]()
	part := func(value any) Part {
		plan := Compare(reflect.TypeOf(value), to)
		moved, _, err := plan.Move(value, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return plan.Part(moved)
	}
	p := part(third)
	if _, err := p.Fill(part(second), Options{}); err != nil {
		t.Fatal(err)
	}
	if got := p.Value.(*world1); got.byKey["a"].name != "renamed" || got.byKey["a"].tags != nil || len(got.list) != 3 || p.Complete() {
		t.Errorf("after the newer one: %+v", got)
	}
	var stream bytes.Buffer
	if err := Encode(&stream, abi.State{Value: first}); err != nil {
		t.Fatal(err)
	}
	_, kept, _, err := DecodePart(&stream, to, DecodeOptions{})
	if err != nil || !kept.Complete() {
		t.Fatal(err, kept)
	}
	if _, err := p.Fill(kept, Options{}); err != nil {
		t.Fatal(err)
	}
	got := p.Value.(*world1)
	if got.n != 9 || got.byKey["a"].name != "renamed" || !slices.Equal(got.byKey["b"].tags, []string{"y", "z"}) || len(got.order) != 2 ||
		got.order[1] != got.byKey["a"] || len(got.list) != 3 || got.list[0].tags[0] != "ll" || !p.Complete() {
		t.Errorf("got %+v", got)
	}
}

// TestFillNothing has nothing to fill, or nothing to fill from.
func TestFillNothing(t *testing.T) {
	p := Whole(map[string]int{"a": 1})
	if f, err := p.Fill(Whole(map[string]int{"b": 2}), Options{}); err != nil || len(f.Restored) != 0 || len(p.Value.(map[string]int)) != 1 {
		t.Errorf("%+v, %v", f, err)
	}
	plan := Compare(reflect.TypeFor[*world2](), reflect.TypeFor[*world1]())
	moved, _, _ := plan.Move(&world2{}, Options{})
	p = plan.Part(moved)
	if f, err := p.Fill(Whole((*world1)(nil)), Options{}); err != nil || len(f.Restored) != 0 {
		t.Errorf("%+v, %v", f, err)
	}
	if f, err := p.Fill(Whole(3), Options{}); err != nil || len(f.Restored) != 0 {
		t.Errorf("%+v, %v", f, err)
	}
	moved, _, _ = plan.Move(&world2{}, Options{})
	p = plan.Part(moved)
	if _, err := p.Fill(Whole(aWorld()), Options{MaxBytes: 10}); err == nil {
		t.Error("beyond the limit it is filled all the same")
	}
}

// TestRenamedBack follows a tag in both directions, in memory and through a stream.
func TestRenamedBack(t *testing.T) {
	type older struct{ hits, other int64 }
	type newer struct {
		count int64 `sohost:"was=hits,was=n"`
		other int64
	}
	type both struct{ hits, count int64 }
	back := move[older](t, newer{3, 4})
	if back != (older{3, 4}) {
		t.Errorf("back: %+v", back)
	}
	p := Compare(reflect.TypeFor[newer](), reflect.TypeFor[older]())
	if len(p.Changes.Removed)+len(p.Changes.Added) != 0 || !slices.Equal(p.Changes.Renamed, []string{"state.count → hits"}) {
		t.Errorf("the changes are %+v", p.Changes)
	}
	var stream bytes.Buffer
	if err := Encode(&stream, abi.State{Value: newer{3, 4}}); err != nil {
		t.Fatal(err)
	}
	s, _, err := Decode(&stream, reflect.TypeFor[older](), DecodeOptions{})
	if err != nil || s.Value != (older{3, 4}) {
		t.Errorf("through a stream: %+v, %v", s.Value, err)
	}
	if got := move[both](t, newer{3, 4}); got != (both{count: 3}) { // it is wanted under its own name
		t.Errorf("to both: %+v", got)
	}
}

// TestEmptied finds structs that keep nothing, and reports every place of a change.
func TestEmptied(t *testing.T) {
	type from struct {
		a, b map[string]entry
		n    int64
	}
	type renamed struct{ first, second int64 }
	type to struct {
		a, b map[string]renamed
		n    int64
	}
	p := Compare(reflect.TypeFor[from](), reflect.TypeFor[to]())
	if want := []string{"state.a[]", "state.b[]"}; !slices.Equal(p.Emptied, want) {
		t.Errorf("emptied %v, want %v", p.Emptied, want)
	}
	if want := []string{"state.a[].hits", "state.a[].last", "state.b[].hits", "state.b[].last"}; !slices.Equal(p.Changes.Removed, want) {
		t.Errorf("removed %v, want %v", p.Changes.Removed, want)
	}
	if p := Compare(reflect.TypeFor[struct{ a, b int64 }](), reflect.TypeFor[struct{ b, c int64 }]()); len(p.Emptied) != 0 {
		t.Errorf("emptied %v", p.Emptied)
	}
	if p := Compare(reflect.TypeFor[struct{ a int64 }](), reflect.TypeFor[struct{}]()); !slices.Equal(p.Emptied, []string{"state"}) {
		t.Errorf("emptied %v", p.Emptied)
	}
}

// TestFillInTime gives up a large state at the deadline.
func TestFillInTime(t *testing.T) {
	before := &world1{byKey: map[string]*item1{}}
	for i := range 10_000 {
		before.byKey[fmt.Sprint(i)] = &item1{hits: int64(i), tags: []string{"x"}}
	}
	newer := move[*world2](t, before)
	plan := Compare(reflect.TypeFor[*world2](), reflect.TypeFor[*world1]())
	moved, _, err := plan.Move(newer, Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := plan.Part(moved)
	if _, err := p.Fill(Whole(before), Options{Deadline: time.Now()}); !errors.Is(err, ErrDeadline) {
		t.Errorf("after its time is up: %v", err)
	}
	if f, err := p.Fill(Whole(before), Options{Deadline: time.Now().Add(time.Minute)}); err != nil || len(f.Restored) == 0 {
		t.Errorf("in time: %+v, %v", f, err)
	}
}

func BenchmarkFill(b *testing.B) {
	before := &world1{byKey: map[string]*item1{}}
	for i := range 1_000_000 {
		before.byKey[fmt.Sprint(i)] = &item1{hits: int64(i), tags: []string{"x"}}
	}
	plan := Compare(reflect.TypeFor[*world2](), reflect.TypeFor[*world1]())
	newer, _, err := Compare(reflect.TypeFor[*world1](), reflect.TypeFor[*world2]()).Move(before, Options{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		b.StopTimer()
		moved, _, err := plan.Move(newer, Options{})
		if err != nil {
			b.Fatal(err)
		}
		p := plan.Part(moved)
		b.StartTimer()
		if _, err := p.Fill(Whole(before), Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestDescribed compares types of two processes: what is lost is the same as within one.
func TestDescribed(t *testing.T) {
	type newer struct {
		count int64 `sohost:"was=hits"`
		other int64
	}
	type older struct{ hits int64 }
	for _, pair := range [][2]reflect.Type{
		{reflect.TypeFor[*world1](), reflect.TypeFor[*world2]()}, {reflect.TypeFor[newer](), reflect.TypeFor[older]()},
		{reflect.TypeFor[map[string]entry](), reflect.TypeFor[map[string]struct{ x int }]()},
		{reflect.TypeFor[int64](), reflect.TypeFor[int32]()},
	} {
		got, err := CompareDescribed(Describe(pair[0]), pair[1])
		if err != nil {
			t.Fatal(err)
		}
		want := Compare(pair[0], pair[1])
		if !reflect.DeepEqual(got.Changes.Removed, want.Changes.Removed) || !slices.Equal(got.Emptied, want.Emptied) || got.Way != want.Way {
			t.Errorf("%v → %v: %+v, want %+v", pair[0], pair[1], got, want)
		}
	}
	if Describe(nil) != nil || Describe(reflect.TypeFor[func()]()) != nil {
		t.Error("what can't be written is described")
	}
	whole := Describe(reflect.TypeFor[*world1]())
	for i := range whole {
		if _, err := CompareDescribed(whole[:i], reflect.TypeFor[*world2]()); !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrLimit) {
			t.Fatalf("cut off after %d bytes: %v", i, err)
		}
	}
}
