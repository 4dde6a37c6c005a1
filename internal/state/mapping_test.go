//lint:file-ignore U1000 the fields are used through reflection

package state

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/keep"
)

type (
	plainMap struct{ M map[string]entry }
	keptMap1 struct{ M keep.Map[string, entry] }
	keptMap2 struct{ M keep.Map[string, record] }
	keptWide struct {
		M keep.Map[string, struct {
			hits, last int64
			note       string
		}]
	}
)

func fillKept(n int) *keptMap1 {
	v := &keptMap1{}
	for i := range n {
		v.M.Set(fmt.Sprint(i), entry{int64(i), -int64(i)})
	}
	return v
}

// through returns value as a To, by a conversion and through a stream. Both must come to the same.
func through[To any](t *testing.T, value any) (converted, streamed To) {
	t.Helper()
	p := Compare(reflect.TypeOf(value), reflect.TypeFor[To]())
	p2 := *p
	if p2.Way == ByAdoption { // to see the conversion as well
		p2.convert()
	}
	v, _, err := p2.Move(value, Options{})
	if p2.Way == ByReference {
		v, _, err = Copy(value, Options{})
	}
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Encode(&b, abi.State{Value: value}); err != nil {
		t.Fatal(err)
	}
	s, _, err := Decode(&b, reflect.TypeFor[To](), DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return v.(To), s.Value.(To)
}

// TestKeptMap moves a keep.Map in each way, to itself and from and to a Go map.
func TestKeptMap(t *testing.T) {
	for _, n := range []int{0, 1, 1000} {
		value := fillKept(n)
		want := maps.Collect(value.M.All())
		if n == 0 {
			want = nil // as for a Go map, nothing was ever put into it
		}
		if p := Compare(reflect.TypeFor[*keptMap1](), reflect.TypeFor[*keptMap2]()); p.Way != ByAdoption {
			t.Fatalf("way %v: %v", p.Way, p.NotAdopted)
		}
		adopted, _, err := Compare(reflect.TypeFor[*keptMap1](), reflect.TypeFor[*keptMap2]()).Move(value, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 { // both have the same memory
			adopted.(*keptMap2).M.Set("new", record{1, 2})
			if e, ok := value.M.Get("new"); !ok || e != (entry{1, 2}) {
				t.Errorf("the giver has %v, %v", e, ok)
			}
			adopted.(*keptMap2).M.Delete("new")
		}
		c, s := through[*plainMap](t, value)
		if !maps.Equal(c.M, want) || !maps.Equal(s.M, want) || (n == 0) != (c.M == nil) || (n == 0) != (s.M == nil) {
			t.Errorf("%d entries became %d and %d", n, len(c.M), len(s.M))
		}
		back, backS := through[*keptMap1](t, c)
		if !maps.Equal(maps.Collect(back.M.All()), maps.Collect(value.M.All())) || !maps.Equal(maps.Collect(backS.M.All()), maps.Collect(value.M.All())) {
			t.Errorf("%d entries became %d and %d", n, back.M.Len(), backS.M.Len())
		}
		wide, wideS := through[*keptWide](t, value)
		for key, e := range want {
			for _, w := range []*keptWide{wide, wideS} {
				if got, ok := w.M.Get(key); !ok || got.hits != e.hits || got.last != e.last || got.note != "" {
					t.Fatalf("%s: %+v became %+v, %v", key, e, got, ok)
				}
			}
		}
		if wide.M.Len() != n || wideS.M.Len() != n {
			t.Errorf("%d entries became %d and %d", n, wide.M.Len(), wideS.M.Len())
		}
	}
	empty, emptyS := through[*keptMap1](t, &plainMap{M: map[string]entry{}})
	if again, againS := through[*plainMap](t, empty); again.M == nil || againS.M == nil {
		t.Error("an empty map became none")
	}
	if again, _ := through[*plainMap](t, emptyS); again.M == nil {
		t.Error("an empty map became none in a stream")
	}
	refused(t, errOf(Compare(reflect.TypeFor[*keptMap1](), reflect.TypeFor[*struct{ M map[int]entry }]()).Move(fillKept(1), Options{})), "state.M[key]", "map key type changed")
}

func errOf(_ any, _ Report, err error) error { return err }

// TestKeptIdentity keeps what is the same the same, in copies and streams.
func TestKeptIdentity(t *testing.T) {
	type state struct {
		byName, byNumber keep.Map[string, *entry]
		list             []*entry
	}
	v := &state{}
	e := &entry{1, 2}
	v.byName.Set("a", e)
	v.byNumber.Set("1", e)
	v.list = []*entry{e}
	c, s := through[*state](t, v)
	for _, got := range []*state{c, s} {
		a, _ := got.byName.Get("a")
		b, _ := got.byNumber.Get("1")
		if a == e || a != b || a != got.list[0] || *a != *e {
			t.Errorf("%p, %p and %p", a, b, got.list[0])
		}
	}
}

// TestSnapshotKept takes a snapshot, and changes what it is of before it is written.
func TestSnapshotKept(t *testing.T) {
	type state struct {
		Name  string
		Hits  keep.Map[string, entry]
		Names keep.Map[int, *string]
		More  map[string]int
	}
	hello := "hello"
	v := &state{Name: "a", More: map[string]int{"x": 1}}
	v.Hits.Set("a", entry{1, 1})
	v.Hits.Set("b", entry{2, 2})
	v.Names.Set(1, &hello)
	copied, _, end, err := Snapshot(v, Options{})
	if err != nil {
		t.Fatal(err)
	}
	v.Name = "b"
	v.Hits.Set("a", entry{9, 9})
	v.Hits.Delete("b")
	v.Hits.Set("c", entry{3, 3})
	v.Names.Delete(1)
	v.More["x"] = 2
	if _, _, _, err := Snapshot(v, Options{}); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "state.Hits: another snapshot") {
		t.Errorf("a second snapshot: %v", err)
	}
	got := asType[*state](t, encoded(t, copied))
	end()
	if a, _ := got.Hits.Get("a"); got.Name != "a" || got.Hits.Len() != 2 || a != (entry{1, 1}) || got.Names.Len() != 1 || got.More["x"] != 1 {
		t.Errorf("%+v, %v", got, maps.Collect(got.Hits.All()))
	}
	if c, _ := v.Hits.Get("c"); v.Hits.Len() != 2 || c != (entry{3, 3}) {
		t.Error("a change is lost")
	}
	_, _, end, err = Snapshot(v, Options{})
	if err != nil {
		t.Fatal(err)
	}
	end()
}

func encoded(t *testing.T, value any) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	if err := Encode(&b, abi.State{Value: value}); err != nil {
		t.Fatal(err)
	}
	return &b
}

func asType[To any](t *testing.T, b *bytes.Buffer) To {
	t.Helper()
	s, _, err := Decode(b, reflect.TypeFor[To](), DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s.Value.(To)
}

// TestBeside finds which keep.Maps can be read beside the calls.
func TestBeside(t *testing.T) {
	type node struct{ next *node }
	for _, c := range []struct {
		typ  reflect.Type
		free bool
	}{
		{reflect.TypeFor[*struct{ M keep.Map[string, int] }](), true},
		{reflect.TypeFor[*struct{ M keep.Map[string, *entry] }](), true},
		{reflect.TypeFor[*struct{ M keep.Map[string, []byte] }](), true},
		{reflect.TypeFor[*struct{ M keep.Map[string, *node] }](), true},
		{reflect.TypeFor[*struct {
			M keep.Map[string, map[string]int]
		}](), false},
		{reflect.TypeFor[*struct{ M keep.Map[string, any] }](), false},
		{reflect.TypeFor[*struct{ M keep.Map[any, int] }](), false},
		{reflect.TypeFor[*struct {
			M keep.Map[string, *struct{ N keep.Map[int, int] }]
		}](), false},
		{reflect.TypeFor[*struct {
			M    keep.Map[string, *entry]
			Last *entry
		}](), false},
		{reflect.TypeFor[*struct {
			M    keep.Map[string, *entry]
			Last entry
		}](), false},
		{reflect.TypeFor[*struct {
			M keep.Map[string, *entry]
			X any
		}](), false},
		{reflect.TypeFor[*struct {
			M keep.Map[string, int]
			X any
		}](), true},
	} {
		s := shaper{}.of(c.typ)
		if tied := beside(s); (len(tied) == 0) != c.free {
			t.Errorf("%v: %v", c.typ, tied)
		}
	}
	if !Alone(reflect.TypeFor[*keptMap1]()) || Alone(reflect.TypeFor[*plainMap]()) || Alone(nil) || Alone(reflect.TypeFor[keep.Map[int, int]]()) ||
		Alone(reflect.TypeFor[*struct{ A, B keep.Map[int, int] }]()) || !Concurrent(reflect.TypeFor[*struct{ A, B keep.Map[int, int] }]()) ||
		Concurrent(reflect.TypeFor[*struct {
			A keep.Map[int, int]
			n int
		}]()) {
		t.Error("which states need no pause")
	}
}

// TestDeadline gives up a copy that takes too long, wherever it is: in a map, in a slice, in bytes, in a list, in pointers.
func TestDeadline(t *testing.T) {
	many := map[int]int{}
	for i := range 20_000 {
		many[i] = i
	}
	var list *element
	for range 20_000 {
		list = &element{list}
	}
	tied := &struct {
		M keep.Map[int, *element]
		L []*element
	}{}
	for i := range 20_000 {
		tied.M.Set(i, &element{})
	}
	for name, value := range map[string]any{
		"map": many, "slice": make([]*int, 20_000), "bytes": make([]byte, 64<<20), "list": list, "strings": make([]string, 20_000), "keep.Map": tied,
	} {
		_, _, err := Copy(value, Options{Deadline: time.Now()})
		_, _, _, err2 := Snapshot(value, Options{Deadline: time.Now()})
		if !errors.Is(err, ErrDeadline) || !errors.Is(err2, ErrDeadline) {
			t.Errorf("%s: %v, %v", name, err, err2)
		}
		if name == "keep.Map" && !strings.Contains(err2.Error(), "state.M can't be read beside the calls, because other parts of the state may refer") {
			t.Errorf("%s: %v", name, err2)
		}
		if _, _, err := Copy(value, Options{Deadline: time.Now().Add(time.Hour)}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type element struct{ next *element }
