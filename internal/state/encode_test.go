//lint:file-ignore U1000 the fields are used through reflection

package state

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"math/big"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/sohost/sohost/abi"
)

func encode(t testing.TB, value any) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Encode(&b, abi.State{Schema: "s", Version: 3, Value: value}); err != nil {
		t.Fatal(err)
	}
	opts, err := cbor.DecOptions{MaxArrayElements: math.MaxInt32, MaxMapPairs: math.MaxInt32}.DecMode()
	if err != nil {
		t.Fatal(err)
	}
	if err := opts.Wellformed(b.Bytes()); err != nil {
		t.Fatalf("another reader of CBOR says: %v", err)
	}
	return b.Bytes()
}

// reread sends value through a stream into another type.
func reread[To any](t *testing.T, value any) To {
	t.Helper()
	v, err := decodeAs[To](encode(t, value))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func decodeAs[To any](b []byte) (to To, err error) {
	s, _, err := Decode(bytes.NewReader(b), reflect.TypeFor[To](), DecodeOptions{})
	if err == nil {
		to = s.Value.(To)
	}
	return to, err
}

type everything struct {
	B           bool
	i           int
	I8          int8
	I16         int16
	I32         int32
	I64         int64
	U           uint
	U8          uint8
	U16         uint16
	U32         uint32
	U64         uint64
	F32         float32
	F64         float64
	C64         complex64
	C128        complex128
	S           string
	invalid     string
	bytes, none []byte
	nilSlice    []string
	empty       []string
	array       [3]int16
	nilMap      map[string]int
	emptyMap    map[string]int
	byStruct    map[key][]*entry
	when, zero  time.Time
	addr        netip.Addr
	big         *big.Int
	url         *url.URL
	re          *regexp.Regexp
	n           atomic.Int64
	flag        atomic.Bool
	p           atomic.Pointer[entry]
	any         any
	anys        []any
	next        *everything
	_           int
	mu          sync.Mutex
	d           time.Duration
	nested      map[string]map[int8][]float32
	buf         bytes.Buffer
	strs        map[string]string
	deep        ***int
	structs     []struct{ A, b string }
	sets        map[[2]string]struct{}
	floats      map[float64]int
}

func full() *everything {
	one := new(int)
	*one = 1
	two := &one
	e := &everything{
		B: true, i: -1, I8: math.MinInt8, I16: math.MinInt16, I32: math.MinInt32, I64: math.MinInt64,
		U: math.MaxUint, U8: 255, U16: math.MaxUint16, U32: math.MaxUint32, U64: math.MaxUint64,
		F32: 1.5, F64: math.Inf(-1), C64: 1 + 2i, C128: -1i, S: "säge", invalid: "\xff\x00", bytes: []byte("x\x00y"), none: []byte{},
		empty: []string{}, array: [3]int16{1, -2, 300}, emptyMap: map[string]int{},
		byStruct: map[key][]*entry{{"a", "b"}: {{1, 2}, nil}, {"c", ""}: nil},
		when:     time.Date(2026, 2, 3, 4, 5, 6, 7, time.FixedZone("", 3600)),
		addr:     netip.MustParseAddr("fe80::1%eth0"), big: new(big.Int).Exp(big.NewInt(7), big.NewInt(99), nil),
		url: &url.URL{Scheme: "https", Host: "example.com", User: url.UserPassword("u", "p")}, re: regexp.MustCompile(`^a+$`),
		any:    abi.Table{Name: "t", Times: []int64{1}, Columns: []abi.Column{{Name: "f", Kind: abi.Uint, Uints: []uint64{1}}}},
		anys:   []any{nil, 1, int8(2), "s", []any{map[string]any{"x": []string{"y"}}}, time.Second, netip.AddrPort{}, &abi.Arg{Name: "p"}, 1.5, true},
		d:      time.Minute,
		nested: map[string]map[int8][]float32{"a": {1: {1, 2}, 2: nil}, "b": nil},
		strs:   map[string]string{"": "", strings.Repeat("k", 300): strings.Repeat("v", 70000)},
		deep:   &two, structs: []struct{ A, b string }{{"a", "b"}, {}}, sets: map[[2]string]struct{}{{"a", "b"}: {}}, floats: map[float64]int{0: 1, math.Inf(1): 2},
	}
	e.n.Store(-5)
	e.flag.Store(true)
	e.p.Store(&entry{3, 4})
	e.buf.WriteString("buffered")
	e.next = &everything{next: e}
	return e
}

func TestStreamKeepsEverything(t *testing.T) {
	want := full()
	got := reread[*everything](t, want)
	if got.next.next != got {
		t.Error("the cycle was not kept")
	}
	if !got.n.CompareAndSwap(-5, 0) || !got.flag.CompareAndSwap(true, false) || *got.p.Load() != (entry{3, 4}) {
		t.Error("an atomic value was not kept")
	}
	want.n.Store(0)
	want.flag.Store(false)
	want.p.Store(nil)
	got.p.Store(nil)
	if !reflect.DeepEqual(got, want) {
		got.next, want.next = nil, nil
		t.Error(cmp.Diff(want, got, cmp.Exporter(func(reflect.Type) bool { return true })))
	}
}

func TestStreamOfLargePieces(t *testing.T) {
	want := map[string][]byte{"a": bytes.Repeat([]byte("0123456789"), 50_000), "b": bytes.Repeat([]byte("x"), 64<<10)}
	if got := reread[map[string][]byte](t, want); !reflect.DeepEqual(got, want) {
		t.Error("not the same")
	}
}

func TestStreamCarriesSchemaAndVersion(t *testing.T) {
	for _, value := range []any{nil, 1, map[string]int{"a": 1}, []abi.Table{{Name: "t"}}} {
		s, _, err := Decode(bytes.NewReader(encode(t, value)), nil, DecodeOptions{})
		if want := (abi.State{Schema: "s", Version: 3, Value: value}); err != nil || !reflect.DeepEqual(s, want) {
			t.Errorf("got %v, %v, want %v", s, err, want)
		}
	}
	_, _, err := Decode(bytes.NewReader(encode(t, entry{})), nil, DecodeOptions{})
	refused(t, err, "state", "only the plugin knows")
}

func TestStreamConverts(t *testing.T) {
	type item struct {
		hits int32
		gone map[string]*item
		list []uint8
		p    *entry
	}
	type item2 struct {
		list  []uint16
		fresh []int
		count int64 `sohost:"was=hits"`
		p     record
	}
	type from struct {
		byKey map[key]*item
		lost  any
		vals  map[string]*entry
		same  *item
		arr   [2]int8
	}
	type to struct {
		arr   [3]int64
		vals  map[string]record
		byKey map[key2]*item2
		same  *item2
	}
	x := &item{hits: 1, list: []byte{1, 2}, p: &entry{hits: 5}}
	x.gone = map[string]*item{"self": x, "only here": {hits: 9, p: &entry{}}}
	v := from{map[key]*item{{"a", "b"}: x, {"c", "d"}: x}, []any{map[string]any{"a": 1}}, map[string]*entry{"v": {7, 8}, "nil": nil}, x, [2]int8{-1, 2}}
	s, r, err := Decode(bytes.NewReader(encode(t, v)), reflect.TypeFor[to](), DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	y := &item2{list: []uint16{1, 2}, count: 1, p: record{hits: 5}}
	want := to{[3]int64{-1, 2, 0}, map[string]record{"v": {7, 8}, "nil": {}}, map[key2]*item2{{"a", "b"}: y, {"c", "d"}: y}, y}
	got := s.Value.(to)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got.same != got.byKey[key2{"a", "b"}] || got.same != got.byKey[key2{"c", "d"}] {
		t.Error("what was shared is not")
	}
	local, lr, err := Compare(reflect.TypeFor[from](), reflect.TypeFor[to]()).Move(v, Options{})
	if err != nil || !reflect.DeepEqual(local, got) {
		t.Errorf("a move in the process gives %+v, %v", local, err)
	}
	lr.Changes.Retyped, r.Changes.Retyped = nil, nil
	if !reflect.DeepEqual(lr.Changes, r.Changes) || len(r.Removed) != 3 {
		t.Errorf("reported %+v, in the process %+v", r.Changes, lr.Changes)
	}
}

func TestStreamRefusesWhatAConversionRefuses(t *testing.T) {
	_, err := decodeAs[map[string]*struct{ hits int32 }](encode(t, map[string]*entry{"a": {}}))
	refused(t, err, "state[].hits", "int32 can't hold every int64")
	e := &entry{}
	_, err = decodeAs[map[string]record](encode(t, map[string]*entry{"a": e, "b": e}))
	refused(t, err, "state[]", "another type")
	type from struct{ w any }
	type to struct{ w io.Writer }
	_, err = decodeAs[to](encode(t, from{1}))
	refused(t, err, "state.w", "implement")
}

func TestWhatCantBeEncodedIsNamed(t *testing.T) {
	type bad struct {
		ok    map[string]int
		later []func()
		ch    chan int
		byKey map[string]*struct{ f *os.File }
		ctx   context.Context
		once  sync.Once
	}
	err := Encodable(reflect.TypeFor[*bad]())
	refused(t, err, "state.later[]", "func() can't be encoded")
	refused(t, err, "state.ch", "chan int can't be encoded")
	refused(t, err, "state.byKey[].f", "os.File can't be encoded")
	refused(t, err, "state.once", "sync.Once can't be encoded")
	if r := err.(*Refusal); len(r.Reasons) != 4 {
		t.Errorf("got %v", r)
	}
	if err := Encode(io.Discard, abi.State{Value: &bad{}}); !errors.Is(err, ErrRefused) {
		t.Errorf("got %v", err)
	}
	refused(t, Encode(io.Discard, abi.State{Value: &node{seen: map[key]*node{{}: {any: entry{}}}}}), "state.any", "state.entry")
	for _, own := range []any{map[string]entry{}, map[entry]string{}, []entry{}, &entry{}, [1]int{}} {
		refused(t, Encode(io.Discard, abi.State{Value: []any{own}}), "state[]", "no name for")
	}
	f := struct {
		all   []entry
		first *entry
	}{all: make([]entry, 3)}
	f.first = &f.all[1]
	refused(t, Encode(io.Discard, abi.State{Value: f}), "state.first", "state.all")
}

func TestTornAndAlteredStreams(t *testing.T) {
	whole := encode(t, map[string]*node{"a": {name: "n", seen: map[key]*node{}, any: []any{1, "x"}}, "b": nil})
	for n := range whole {
		if _, err := decodeAs[map[string]*node](whole[:n]); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut to %d of %d bytes: %v", n, len(whole), err)
		}
		b := bytes.Clone(whole)
		for bit := range 8 {
			b[n] ^= 1 << bit
			if _, err := decodeAs[map[string]*node](b); !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrLimit) {
				t.Fatalf("bit %d of byte %d turned over: %v", bit, n, err)
			}
			b[n] ^= 1 << bit
		}
	}
	if _, err := decodeAs[map[string]*node](append(whole, 0)); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
}

func TestDecodeLimits(t *testing.T) {
	b := encode(t, make([]int64, 100_000))
	typ := reflect.TypeFor[[]int64]()
	for _, o := range []DecodeOptions{{MaxBytes: 50_000}, {MaxMemory: 500_000}} {
		if _, _, err := Decode(bytes.NewReader(b), typ, o); !errors.Is(err, ErrLimit) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, r, err := Decode(bytes.NewReader(b), typ, DecodeOptions{MaxBytes: int64(len(b)), MaxMemory: 1_000_000}); err != nil || r.Bytes < 800_000 {
		t.Error(err, r.Bytes)
	}
}

// slow reads a stream in pieces of one byte.
type slow struct{ r io.Reader }

func (s slow) Read(p []byte) (int, error) { return s.r.Read(p[:1]) }

func TestStreamInSmallPieces(t *testing.T) {
	want := map[string][]int{"a": {1, 2, 3}, "b": nil}
	s, _, err := Decode(slow{bytes.NewReader(encode(t, want))}, reflect.TypeOf(want), DecodeOptions{})
	if err != nil || !reflect.DeepEqual(s.Value, want) {
		t.Error(s, err)
	}
}

func TestReadAndWriteErrorsComeThrough(t *testing.T) {
	broken := errors.New("broken")
	r, w := io.Pipe()
	r.CloseWithError(broken)
	if err := Encode(w, abi.State{Value: 1}); !errors.Is(err, broken) {
		t.Error(err)
	}
	r, w = io.Pipe()
	w.CloseWithError(broken)
	if _, _, err := Decode(r, nil, DecodeOptions{}); !errors.Is(err, broken) || errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
}

func TestStreamOfALongList(t *testing.T) {
	const n = 300_000
	var l *list1
	for i := range n {
		l = &list1{int32(i), l}
	}
	i := n
	for e := reread[*list2](t, l); e != nil; e = e.next {
		if i--; e.n != int64(i) {
			t.Fatal(e.n, i)
		}
	}
	if i != 0 {
		t.Fatal(i)
	}
}

// most counts the bytes of the largest write.
type most struct{ size, all int }

func (m *most) Write(p []byte) (int, error) {
	m.size, m.all = max(m.size, len(p)), m.all+len(p)
	return len(p), nil
}

func TestEncodeWritesInPieces(t *testing.T) {
	m := map[string]int{}
	for i := range 50_000 {
		m[strings.Repeat("k", 10)+string(rune(i))] = i
	}
	var w most
	if err := Encode(&w, abi.State{Value: m}); err != nil || w.size > 64<<10 || w.all < 500_000 {
		t.Error(err, w)
	}
}

func TestStreamFillsValuesFromTheInside(t *testing.T) {
	type c struct{ n int }
	type b struct{ c *c }
	type a struct{ b *b }
	type c2 struct{ n int }
	type b2 struct{ c c2 }
	type a2 struct{ b b2 }
	got := reread[map[string]a2](t, map[string]*a{"x": {&b{&c{7}}}, "y": {}})
	if len(got) != 2 || got["x"].b.c.n != 7 {
		t.Errorf("got %+v", got)
	}
}

// TestStreamSkipsRemovedFields removes a field with something of every kind. What follows it must arrive.
func TestStreamSkipsRemovedFields(t *testing.T) {
	type from struct {
		gone *everything
		same [1]everything
		last int
	}
	type to struct{ last int }
	v := &from{gone: full(), last: 7}
	v.same[0].next, v.same[0].when, v.same[0].any = v.gone, v.gone.when, v.gone.any
	if got := reread[*to](t, v); got.last != 7 {
		t.Errorf("got %+v", got)
	}
}

// TestStreamKeepsClosedTypesClosed reads a struct of the standard library as one of the plugin's own with the same fields.
func TestStreamKeepsClosedTypesClosed(t *testing.T) {
	type number struct {
		neg bool
		abs []uint
	}
	_, err := decodeAs[[]number](encode(t, []big.Int{*big.NewInt(5)}))
	refused(t, err, "state[]", "type changed math/big.Int → state.number")
	_, err = decodeAs[[]big.Int](encode(t, []number{}))
	refused(t, err, "state[]", "type changed state.number → math/big.Int")
}

func TestStreamKeepsWhatARemovedFieldShared(t *testing.T) {
	type from struct{ gone, kept *entry }
	type to struct{ kept *record }
	e := &entry{1, 2}
	if got := reread[to](t, from{e, e}); *got.kept != (record{1, 2}) {
		t.Errorf("got %+v", got.kept)
	}
}
