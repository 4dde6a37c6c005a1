package state

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unique"
)

// Types called like …2 stand for those of the next generation.
type (
	node struct {
		name string
		next *node
		seen map[key]*node
		when time.Time
		mu   sync.Mutex
		any  any
	}
	node2 struct {
		name string
		next *node2
		seen map[key2]*node2
		when time.Time
		mu   sync.Mutex
		any  any
	}
	key  struct{ a, b string }
	key2 struct{ a, b string }

	wide struct {
		name  string
		next  *wide
		seen  map[key2]*wide
		when  time.Time
		mu    sync.RWMutex
		any   any
		added int
	}
)

func move[To any](t *testing.T, value any) To {
	t.Helper()
	v, _, err := Compare(reflect.TypeOf(value), reflect.TypeFor[To]()).Move(value, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return v.(To)
}

// refused wants a refusal at path, whose text contains about.
func refused(t *testing.T, err error, path, about string) {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) || !errors.Is(err, ErrRefused) {
		t.Fatalf("got %v, want a refusal", err)
	}
	if !slices.ContainsFunc(r.Reasons, func(r Reason) bool { return r.Path == path && strings.Contains(r.Text, about) }) {
		t.Fatalf("got %v, want %s: …%s…", err, path, about)
	}
}

func moveErr[To any](value any, o Options) error {
	_, _, err := Compare(reflect.TypeOf(value), reflect.TypeFor[To]()).Move(value, o)
	return err
}

func TestAdoptedMemoryIsTheSame(t *testing.T) {
	n := &node{name: "a", seen: map[key]*node{}}
	n.next = n
	n.seen[key{"x", "y"}] = n
	got := move[*node2](t, n)
	got.name = "b"
	got.seen[key2{"new", ""}] = got
	if n.name != "b" || got.next != got || len(n.seen) != 2 || n.seen[key{"new", ""}] != n {
		t.Fatalf("giver sees %+v", n)
	}
}

func TestAdoptEveryKind(t *testing.T) {
	for _, c := range []struct {
		value, want any
	}{
		{entry{1, 2}, record{1, 2}},
		{id(7), int64(7)},
		{map[string]entry{"a": {1, 2}}, map[string]record{"a": {1, 2}}},
		{[]entry{{1, 2}}, []record{{1, 2}}},
		{[2]entry{{1, 2}}, [2]record{{1, 2}}},
		{struct{ p *entry }{&entry{1, 2}}, struct{ p *record }{&record{1, 2}}},
		{(*entry)(nil), (*record)(nil)},
		{map[key]id{{"a", "b"}: 1}, map[key2]int64{{"a", "b"}: 1}},
	} {
		got, err := Adopt(c.value, reflect.TypeOf(c.want), Options{})
		if err != nil {
			t.Errorf("%T → %T: %v", c.value, c.want, err)
		} else if !reflect.DeepEqual(got, c.want) {
			t.Errorf("got %#v, want %#v", got, c.want)
		}
	}
}

func TestAdoptRefusesAConversion(t *testing.T) {
	_, err := Adopt(&node{}, reflect.TypeFor[*wide](), Options{})
	refused(t, err, "state", "6 fields → 7 fields")
}

func TestInterfacesAreLookedInto(t *testing.T) {
	type nested struct{ all []any }
	shared := []any{nil, 1, "a", &http.Cookie{Name: "c"}, map[string]any{"x": []any{1.5}}, time.Now(), errors.New("e"),
		fmt.Errorf("w: %w", io.EOF), context.Background(), list.New(), &sync.Map{}}
	if got := move[*node2](t, &node{any: shared}); len(got.any.([]any)) != len(shared) {
		t.Fatal(got)
	}
	l := list.New()
	l.PushBack(1)
	l.PushBack(entry{})
	var m sync.Map
	m.Store("k", []entry{})
	var v atomic.Value
	v.Store(entry{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cyclic := []any{nil, entry{}}
	cyclic[0] = cyclic
	for _, c := range []struct {
		value       any
		path, about string
	}{
		{entry{}, "state.any", "state.entry"},
		{&entry{}, "state.any", "state.entry"},
		{[]any{1, map[string]any{"x": []entry{}}}, "state.any[][]", "[]state.entry"},
		{map[any]int{entry{}: 1}, "state.any[key]", "state.entry"},
		{cyclic, "state.any[]", "state.entry"},
		{l, "state.any[]", "state.entry"},
		{&m, "state.any[]", "[]state.entry"},
		{&v, "state.any[]", "state.entry"},
		{fmt.Errorf("w: %w", ownError{}), "state.any.err", "ownError"},
		{func() {}, "state.any", "function"},
		{&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}, "state.any.CheckRedirect", "function"},
		{ctx, "state.any", "context.cancelCtx"},
		{&sync.Pool{}, "state.any", "sync.Pool"},
		{time.AfterFunc(time.Hour, func() {}), "state.any", "time.Timer"},
		{reflect.ValueOf(entry{}), "state.any", "reflect.Value"},
		{reflect.TypeFor[entry](), "state.any", "reflect.rtype"},
		{unique.Make(entry{}), "state.any", "unique.Handle"},
		{new(atomic.Pointer[entry]), "state.any", "atomic.Pointer"},
		{struct{ hidden int }{1}, "state.any", "hidden"},
		{&nested{}, "state.any", "nested"},
	} {
		refused(t, moveErr[*node2](&node{any: c.value}, Options{}), c.path, c.about)
	}
}

type ownError struct{}

func (ownError) Error() string { return "own" }

func TestSharedPackagesMayStandInInterfaces(t *testing.T) {
	own := reflect.TypeFor[entry]().PkgPath()
	if err := moveErr[*node2](&node{any: entry{}}, Options{Shared: func(path string) bool { return path == own }}); err != nil {
		t.Fatal(err)
	}
}

func TestReferenceLooksIntoInterfaces(t *testing.T) {
	refused(t, moveErr[map[string]any](map[string]any{"a": entry{}}, Options{}), "state[]", "state.entry")
	refused(t, moveErr[map[string]func()](map[string]func(){"a": func() {}}, Options{}), "state[]", "function")
	if err := moveErr[*sync.Pool](&sync.Pool{}, Options{}); err != nil {
		t.Error(err)
	}
}

func TestNotAdoptedTypes(t *testing.T) {
	for _, c := range []struct {
		types       [2]reflect.Type
		path, about string
	}{
		{types[unique.Handle[entry], unique.Handle[record]](), "state", "unique.Handle"},
		{types[struct{ f func(entry) }, struct{ f func(record) }](), "state.f", "function"},
		{types[struct {
			e entry
			f func()
		}, struct {
			e record
			f func()
		}](), "state.f", "function"},
		{types[struct {
			e entry
			f []func()
		}, struct {
			e record
			f []func()
		}](), "state.f[]", "function"},
		{types[struct {
			e entry
			c context.CancelFunc
		}, struct {
			e record
			c context.CancelFunc
		}](), "state.c", "function"},
		{types[struct {
			e entry
			p sync.Pool
		}, struct {
			e record
			p sync.Pool
		}](), "state.p", "sync.Pool"},
		{types[struct {
			e entry
			c chan any
		}, struct {
			e record
			c chan any
		}](), "state.c", "channel"},
		{types[struct{ s shapeA }, struct{ s shapeB }](), "state.s", "interface"},
		{types[struct{ a [2]entry }, struct{ a [3]record }](), "state.a", "array length"},
		{types[struct {
			a int32
			b int64
		}, struct {
			a int64
			b int64
		}](), "state.a", "type changed"},
		{types[struct{ base }, struct{ base base }](), "state.base", "embedded"},
		{types[map[string]int64, map[int64]int64](), "state[key]", "type changed"},
	} {
		p := Compare(c.types[0], c.types[1])
		if p.Way == ByAdoption || p.Way == ByReference {
			t.Errorf("%v → %v goes by %v", p.From, p.To, p.Way)
			continue
		}
		refused(t, &Refusal{Reasons: p.NotAdopted}, c.path, c.about)
	}
}

func TestAtomicPointerIsAPointer(t *testing.T) {
	type from struct{ p atomic.Pointer[entry] }
	type to struct{ p atomic.Pointer[record] }
	type plain struct{ p *record }
	f := &from{}
	f.p.Store(&entry{hits: 1})
	g := move[*to](t, f)
	g.p.Load().hits++
	if f.p.Load().hits != 2 {
		t.Error("not the same memory")
	}
	if p := move[*plain](t, f); p.p.hits != 2 {
		t.Error("not converted")
	}
}

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
	}
	type to struct {
		a map[string][]struct{ n int32 }
		b map[string]int
		c []func()
		_ int
	}
	p := Compare(reflect.TypeFor[*from](), reflect.TypeFor[*to]())
	want := []Reason{
		{"state.a[][].n", "int32 can't hold every int64"},
		{"state.b[key]", "map key type changed state.key → string"},
		{"state.c[]", "function: it would go on running the giver's code"},
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

func TestNamesLeaveOutWhatTellsGenerationsApart(t *testing.T) {
	for name, want := range map[string]string{
		"main.state":            "main.state",
		"p_g0123456789ab.state": "p.state",
		"*list.Of[example.com/a/p_gj73JenkjHwXf.entry]": "*list.Of[example.com/a/p.entry]",
		"map[a_g0123456789ab.k]b_gj73JenkjHwXf.v":       "map[a.k]b.v",
		"my_game.entry": "my_game.entry", "a_g.b": "a_g.b", "x.a_g0123456789ab": "x.a_g0123456789ab",
	} {
		if got := unsuffixed(name); got != want {
			t.Errorf("%s became %s, want %s", name, got, want)
		}
	}
}
