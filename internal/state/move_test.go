//lint:file-ignore U1000 the fields are used through reflection

package state

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unique"
	"unsafe"
)

// Types with names like …2 stand for those of the next generation.
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

// refused checks that err is a refusal with a reason at path whose text contains about.
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
	shared := []any{nil, 1, "a", &http.Cookie{Name: "c"}, map[string]any{"x": []any{1.5}}, time.Now(), errors.New("e"), strings.ToLower,
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
		{context.CancelFunc(cancel), "state.any", "function"},
		{strings.NewReader("").Len, "state.any", "function"},
		{map[fmt.Stringer]int{}, "state.any[key]", "interface with methods"},
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
		{types[struct{ s shapeA }, struct{ s any }](), "state.s", "interface"},
		{types[struct{ s any }, struct{ s shapeB }](), "state.s", "interface"},
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
		{types[map[fmt.Stringer]entry, map[fmt.Stringer]record](), "state[key]", "interface with methods"},
		{types[struct {
			e entry
			m map[[1]error]int
		}, struct {
			e record
			m map[[1]error]int
		}](), "state.m[key]", "interface with methods"},
		{types[struct {
			e entry
			m map[unsafe.Pointer]int
		}, struct {
			e record
			m map[unsafe.Pointer]int
		}](), "state.m[key]", "unsafe.Pointer"},
		{types[<-chan int, stopChan](), "state", "channel"},
	} {
		p := Compare(c.types[0], c.types[1])
		if p.Way == ByAdoption || p.Way == ByReference {
			t.Errorf("%v → %v goes by %v", p.From, p.To, p.Way)
			continue
		}
		refused(t, &Refusal{Reasons: p.NotAdopted}, c.path, c.about)
	}
}

type stopChan chan int

func TestChannelsOfSharedTypes(t *testing.T) {
	c := make(chan int, 1)
	if got := move[stopChan](t, c); (chan int)(got) != c {
		t.Error("not the same channel")
	}
	type from struct{ c chan int }
	type to struct {
		c     stopChan
		added int
	}
	if got := move[to](t, from{c}); (chan int)(got.c) != c {
		t.Error("not the same channel")
	}
}

func TestKeysThatGenerationsMayTakeForUnequal(t *testing.T) {
	refused(t, moveErr[map[fmt.Stringer]int](map[fmt.Stringer]int{}, Options{}), "state[key]", "interface with methods")
	refused(t, Encodable(reflect.TypeFor[map[fmt.Stringer]int]()), "state[key]", "interface with methods")
	type from map[fmt.Stringer]int32
	type to map[fmt.Stringer]int64
	refused(t, moveErr[to](from{}, Options{}), "state[key]", "interface with methods")
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
