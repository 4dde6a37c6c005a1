//lint:file-ignore U1000 the fields are used through reflection

package state

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/sohost/sohost/abi"
)

func TestConvert(t *testing.T) {
	old := &node{name: "a", seen: map[key]*node{}, when: time.Now(), any: []any{1, "b", map[string]any{"c": time.UTC}}}
	old.next = &node{name: "b", next: old}
	old.seen[key{"x", "y"}] = old.next
	old.mu.Lock()
	got := move[*wide](t, old)
	if got.name != "a" || got.next.name != "b" || got.next.next != got || got.seen[key2{"x", "y"}] != got.next || !got.when.Equal(old.when) {
		t.Errorf("got %+v", got)
	}
	if !got.mu.TryLock() {
		t.Error("the lock was carried over")
	}
	if !reflect.DeepEqual(got.any, old.any) {
		t.Errorf("got %#v", got.any)
	}
	got.any.([]any)[0] = 2
	got.seen[key2{}] = nil
	if old.any.([]any)[0] != 1 || len(old.seen) != 1 {
		t.Error("the giver's value was changed")
	}
}

func TestConvertReports(t *testing.T) {
	type item struct {
		hits int32
		gone string
	}
	type item2 struct {
		count int64 `sohost:"was=hits"`
		fresh []byte
	}
	type from struct{ byKey map[string][]item }
	type to struct{ byKey map[string][]*item2 }
	v, r, err := Compare(reflect.TypeFor[from](), reflect.TypeFor[to]()).Move(from{map[string][]item{"a": {{1, "x"}, {2, "y"}}}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := v.(to).byKey["a"]; len(got) != 2 || got[1].count != 2 {
		t.Fatal(v)
	}
	want := Changes{
		Added:   []string{"state.byKey[][].fresh"},
		Removed: []string{"state.byKey[][].gone"},
		Renamed: []string{"state.byKey[][].hits → count"},
		Retyped: []string{"state.byKey[][]: state.item → *state.item2", "state.byKey[][].count: int32 → int64"},
	}
	if !reflect.DeepEqual(r.Changes, want) || r.Entries != 3 || r.Bytes == 0 || r.Way != ByConversion {
		t.Errorf("got %+v", r)
	}
}

func TestRefusalsNameEveryPlace(t *testing.T) {
	type from struct {
		a map[string][]struct{ n int64 }
		b map[key]int
		c []func()
		d unsafe.Pointer
	}
	type to struct {
		a map[string][]struct{ n int32 }
		b map[string]int
		c []func()
		d unsafe.Pointer
		_ int
	}
	p := Compare(reflect.TypeFor[*from](), reflect.TypeFor[*to]())
	want := []Reason{
		{"state.a[][].n", "int32 can't hold every int64"},
		{"state.b[key]", "map key type changed state.key → string"},
		{"state.c[]", "function: it would keep running the old generation's code"},
		{"state.d", "unsafe.Pointer: its target is unknown"},
	}
	if p.Way != None || !slices.Equal(p.Reasons, want) {
		t.Errorf("got %v by %v", p.Reasons, p.Way)
	}
}

func TestSharedStaysShared(t *testing.T) {
	type from struct {
		a, b  *entry
		m, n  map[string]int32
		s, u  []*entry
		nilM  map[string]int32
		empty []int32
		file  *os.File
		loc   *time.Location
	}
	type to struct {
		a, b  *record
		m, n  map[string]int64
		s, u  []*record
		nilM  map[string]int64
		empty []int64
		file  *os.File
		loc   *time.Location
	}
	e := &entry{hits: 1}
	m := map[string]int32{"a": 1}
	s := []*entry{e, e}
	got := move[*to](t, &from{e, e, m, m, s, s, nil, []int32{}, os.Stdout, time.Local})
	got.m["b"] = 2
	got.s[0] = &record{}
	if got.a != got.b || got.s[1] != got.a || len(got.n) != 2 || got.u[0] != got.s[0] {
		t.Errorf("got %+v", got)
	}
	if got.nilM != nil || got.empty == nil || got.file != os.Stdout || got.loc != time.Local {
		t.Errorf("got %+v", got)
	}
}

func TestInnerPointersAreRefused(t *testing.T) {
	type from struct {
		all   []entry
		first *entry
		count *int64
		n     int64
		pad   int32
	}
	type to struct {
		all   []record
		first *record
		count *int64
		n     int64
	}
	f := &from{all: make([]entry, 3), first: &entry{}}
	move[*to](t, f)
	f.first = &f.all[1]
	refused(t, moveErr[*to](f, Options{}), "state.first", "state.all")
	f.first, f.count = nil, &f.n
	refused(t, moveErr[*to](f, Options{}), "state.count", "state")
}

func TestAPointerThatBecomesAValueMustBeTheOnlyOne(t *testing.T) {
	e := &entry{hits: 1}
	got := move[map[string]record](t, map[string]*entry{"a": e, "b": nil})
	if got["a"].hits != 1 || len(got) != 2 {
		t.Fatal(got)
	}
	refused(t, moveErr[map[string]record](map[string]*entry{"a": e, "b": e}, Options{}), "state[]", "as well")
}

func TestOneObjectCantBecomeTwoTypes(t *testing.T) {
	type from struct{ a, b map[string]int32 }
	type to struct {
		a map[string]int64
		b map[string]int32
	}
	m := map[string]int32{"x": 1}
	move[to](t, from{m, map[string]int32{}})
	refused(t, moveErr[to](from{m, m}, Options{}), "state.b", "state.a")
}

func TestInterfaceMustBeImplemented(t *testing.T) {
	type from struct{ w io.Writer }
	type to struct{ w io.ReadWriter }
	if got := move[to](t, from{os.Stdout}); got.w != os.Stdout {
		t.Error("not the same file")
	}
	refused(t, moveErr[to](from{io.Discard}, Options{}), "state.w", "implement")
}

type list1 struct {
	n    int32
	next *list1
}
type list2 struct {
	n    int64
	next *list2
}

func TestLongListsDontNeedStack(t *testing.T) {
	const n = 1_000_000
	var l *list1
	for i := range n {
		l = &list1{int32(i), l}
	}
	i := n
	for e := move[*list2](t, l); e != nil; e = e.next {
		if i--; e.n != int64(i) {
			t.Fatal(e.n, i)
		}
	}
	if i != 0 {
		t.Fatal(i)
	}
}

func TestCopyIsIndependent(t *testing.T) {
	n := &node{name: "a", seen: map[key]*node{}, any: []int{1}}
	n.next = n
	v, _, err := Copy(n, Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := v.(*node)
	n.any.([]int)[0] = 2
	n.seen[key{}] = n
	n.name = "b"
	if c == n || c.next != c || c.name != "a" || len(c.seen) != 0 || c.any.([]int)[0] != 1 {
		t.Errorf("got %+v", c)
	}
	_, _, err = Copy(struct{ f func() }{}, Options{})
	refused(t, err, "state.f", "function")
}

func TestConvertedStateSurvivesTheGiver(t *testing.T) {
	old := make(map[string]*node)
	for i := range 1000 {
		old[fmt.Sprint(i)] = &node{name: fmt.Sprint(i), any: fmt.Sprint(i)}
	}
	got := move[map[string]*wide](t, old)
	old = nil
	runtime.GC()
	for k, e := range got {
		if e.name != k || e.any != k {
			t.Fatal(k, e)
		}
	}
}

func TestInterfacesNestedTooDeep(t *testing.T) {
	type from struct {
		n   int32
		any any
	}
	type to struct {
		n   int64
		any any
	}
	var nested any
	for range 2 * tooDeep {
		nested = abi.State{Value: nested}
	}
	refused(t, moveErr[to](from{any: nested}, Options{}), "state.any.Value", "nested")
	refused(t, Encode(io.Discard, abi.State{Value: from{any: nested}}), "state.any", "nested")
}

func TestAFormerNameHasOneHeir(t *testing.T) {
	type from struct{ a, b int }
	type to struct {
		b int
		x int `sohost:"was=b"`       // b has an heir of its own name
		y int `sohost:"was=c,was=a"` // the first that there was
		z int `sohost:"was=a"`
	}
	if got := move[to](t, from{1, 2}); got != (to{b: 2, y: 1}) {
		t.Errorf("got %+v", got)
	}
}

func TestCopyLimit(t *testing.T) {
	type entry struct{ a, b [64]byte }
	for name, value := range map[string]any{
		"pointers": func() any {
			m := map[int]*entry{}
			for i := range 100 {
				m[i] = &entry{}
			}
			return m
		}(),
		"slice": make([]entry, 100),
		"map":   map[int][1024]byte{1: {}, 2: {}, 3: {}, 4: {}, 5: {}, 6: {}, 7: {}, 8: {}, 9: {}, 10: {}},
	} {
		if _, r, err := Copy(value, Options{MaxBytes: 8 << 10}); !errors.Is(err, ErrLimit) {
			t.Errorf("%s: a copy of %d bytes within 8 KiB: %v, want ErrLimit", name, r.Bytes, err)
		}
		if _, r, err := Copy(value, Options{MaxBytes: 64 << 10}); err != nil || r.Bytes < 8<<10 {
			t.Errorf("%s: a copy of %d bytes within 64 KiB: %v", name, r.Bytes, err)
		}
	}
}

// TestExactLimit copies with a limit of just the memory that the copy takes, and of a byte less.
func TestExactLimit(t *testing.T) {
	value := map[string][]*entry{"a": {{1, 2}, {3, 4}}}
	_, r, err := Copy(value, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Copy(value, Options{MaxBytes: r.Bytes}); err != nil {
		t.Error(err)
	}
	if _, _, err := Copy(value, Options{MaxBytes: r.Bytes - 1}); !errors.Is(err, ErrLimit) {
		t.Errorf("got %v, want ErrLimit", err)
	}
}

func TestBlankFieldsAreIgnored(t *testing.T) {
	type from struct {
		n int32
		_ int
	}
	type to struct {
		_ string
		n int64
		_ [2]func()
	}
	if p := Compare(reflect.TypeFor[from](), reflect.TypeFor[to]()); p.Way != ByConversion || len(p.Changes.Added)+len(p.Changes.Removed) != 0 {
		t.Errorf("goes by %v with %+v, %v", p.Way, p.Changes, p.Reasons)
	}
}

// TestRefusalsNameBothTypes refuses what is behind a pointer on one side only.
func TestRefusalsNameBothTypes(t *testing.T) {
	refused(t, moveErr[map[string]int32](map[string]*int64{}, Options{}), "state[]", "type changed *int64 → int32")
	refused(t, moveErr[map[string]*int32](map[string]int64{}, Options{}), "state[]", "type changed int64 → *int32")
}
